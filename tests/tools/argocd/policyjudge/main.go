// policyjudge answers, with Argo CD's own policy engine, what a policy allows.
//
// One JSON document per line on standard input, one verdict per line on standard output:
//
//	in:  {"data": {<data of argocd-rbac-cm>}, "projects": [<AppProject>...],
//	      "requests": [{"user": "alice", "groups": ["g"], "resource": "exec", "action": "create", "object": "shop/web"}],
//	      "matches": [{"mode": "glob", "pattern": "web-*", "text": "web-1"}]}
//	out: {"error": "<why Argo CD cannot load the policy>", "allowed": [true], "matches": ["yes"],
//	      "projects": ["<why Argo CD would refuse an edit of this project>"]}
//
// A request is decided as argocd-server decides it: by the enforcer with the claims of the person's session, or, with "anonymous", with
// what it puts in their place for somebody without one. A match is one pattern on one text: yes, no, or panic.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/casbin/casbin/v2/util"
	"github.com/golang-jwt/jwt/v5"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/yaml"

	"github.com/argoproj/argo-cd/v3/assets"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	applister "github.com/argoproj/argo-cd/v3/pkg/client/listers/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/server/rbacpolicy"
	"github.com/argoproj/argo-cd/v3/util/glob"
	"github.com/argoproj/argo-cd/v3/util/rbac"
)

const namespace = "argocd"

type request struct {
	User     string   `json:"user"`
	Groups   []string `json:"groups"`
	Resource string   `json:"resource"`
	Action   string   `json:"action"`
	Object   string   `json:"object"`

	Anonymous bool `json:"anonymous"`
}

type match struct {
	Mode    string `json:"mode"`
	Pattern string `json:"pattern"`
	Text    string `json:"text"`
}

type question struct {
	Data     map[string]string     `json:"data"`
	Projects []v1alpha1.AppProject `json:"projects"`
	Requests []request             `json:"requests"`
	Matches  []match               `json:"matches"`
}

type verdict struct {
	Error    string   `json:"error,omitempty"`
	Allowed  []bool   `json:"allowed"`
	Matches  []string `json:"matches"`
	Projects []string `json:"projects"`
}

// invalid says what Argo CD's own server says when somebody saves this project (server/project, validateProject).
func invalid(project *v1alpha1.AppProject) string {
	if err := project.ValidateProject(); err != nil {
		return err.Error()
	}
	if err := rbac.ValidatePolicy(project.ProjectPoliciesString()); err != nil {
		return "policy syntax error: " + err.Error()
	}
	return ""
}

// says asks the function that the enforcer asks about each pattern of a line.
func (m match) says() (answer string) {
	defer func() {
		if recover() != nil {
			answer = "panic"
		}
	}()
	matched := false
	if m.Mode == rbac.RegexMatchMode {
		matched = util.RegexMatch(m.Text, m.Pattern)
	} else {
		matched = glob.Match(m.Pattern, m.Text)
	}
	if matched {
		return "yes"
	}
	return "no"
}

func judge(q question) verdict {
	policy := rbac.PolicyCSV(q.Data)
	if err := rbac.ValidatePolicy(policy); err != nil {
		return verdict{Error: err.Error(), Allowed: make([]bool, len(q.Requests))}
	}
	builtin, err := assets.Embedded.ReadFile("builtin-policy.csv")
	if err != nil {
		return verdict{Error: err.Error()}
	}
	enforcer := rbac.NewEnforcer(fake.NewSimpleClientset(), namespace, "argocd-rbac-cm", nil)
	enforcer.SetMatchMode(q.Data["policy.matchMode"])
	enforcer.SetDefaultRole(q.Data["policy.default"])
	if err := enforcer.SetBuiltinPolicy(string(builtin)); err != nil {
		return verdict{Error: err.Error()}
	}
	if err := enforcer.SetUserPolicy(policy); err != nil {
		return verdict{Error: err.Error()}
	}
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for i := range q.Projects {
		q.Projects[i].Namespace = namespace
		if err := indexer.Add(&q.Projects[i]); err != nil {
			return verdict{Error: err.Error()}
		}
	}
	claims := rbacpolicy.NewRBACPolicyEnforcer(enforcer, applister.NewAppProjectLister(indexer).AppProjects(namespace))
	if text, ok := q.Data["scopes"]; ok && text != "" {
		var scopes []string
		if err := yaml.Unmarshal([]byte(text), &scopes); err != nil {
			return verdict{Error: err.Error()}
		}
		claims.SetScopes(scopes)
	}
	enforcer.SetClaimsEnforcerFunc(claims.EnforceClaims)
	answer := verdict{Allowed: make([]bool, 0, len(q.Requests)), Matches: make([]string, 0, len(q.Matches))}
	for i := range q.Projects {
		answer.Projects = append(answer.Projects, invalid(&q.Projects[i]))
	}
	for _, r := range q.Requests {
		var person any = jwt.MapClaims{"sub": r.User, "iss": "argocd", "groups": r.Groups}
		if r.Anonymous {
			person = ""
		}
		answer.Allowed = append(answer.Allowed, enforcer.Enforce(person, r.Resource, r.Action, r.Object))
	}
	for _, m := range q.Matches {
		answer.Matches = append(answer.Matches, m.says())
	}
	return answer
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	decoder := json.NewDecoder(in)
	for decoder.More() {
		var q question
		if err := decoder.Decode(&q); err != nil {
			fmt.Fprintln(os.Stderr, "policyjudge: read a question:", err)
			os.Exit(2)
		}
		if err := out.Encode(judge(q)); err != nil {
			fmt.Fprintln(os.Stderr, "policyjudge: write a verdict:", err)
			os.Exit(2)
		}
	}
}
