{{/* The CustomResourceDefinitions, as JSON: in "ours" those that are this release's, as texts; in "others" the names of those that exist and
     belong to no release (because Helm's crds/ folder or kubectl made them), and in "releases" those of other releases. Helm refuses to
     touch either, and one release is enough to keep them up to date. Without a cluster to ask (helm template, Argo CD) all are ours. */}}
{{- define "argocd-access-operator.definitions" -}}
{{- $root := . -}}
{{- $ours := list -}}
{{- $others := list -}}
{{- $releases := list -}}
{{- if .Values.crds.enabled -}}
{{- $keep := ternary (dict "helm.sh/resource-policy" "keep") (dict) .Values.crds.keep -}}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" -}}
{{- $definition := $root.Files.Get $path | fromYaml -}}
{{- $name := $definition.metadata.name -}}
{{- $found := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name -}}
{{- $annotations := dict -}}
{{- if $found -}}
{{- $annotations = $found.metadata.annotations | default dict -}}
{{- end -}}
{{- $release := get $annotations "meta.helm.sh/release-name" -}}
{{- $of := get $annotations "meta.helm.sh/release-namespace" -}}
{{- if and $found (not $release) -}}
{{- $others = append $others $name -}}
{{- else if and $found (not (and (eq $release $root.Release.Name) (eq $of $root.Release.Namespace))) -}}
{{- $others = append $others $name -}}
{{- $releases = append $releases (printf "%s in the namespace %s" $release $of) -}}
{{- else -}}
{{- $own := merge (dict) $keep ($definition.metadata.annotations | default dict) -}}
{{- $metadata := include "argocd-access-operator.metadata" (dict "root" $root "name" $name "component" "definitions" "annotations" $own) -}}
{{- /* The rest as it was generated, to the letter: written anew, numbers would lose their form. */ -}}
{{- $spec := regexSplit "(?m)^spec:$" ($root.Files.Get $path) 2 | last -}}
{{- $ours = append $ours (printf "apiVersion: %s\nkind: %s\nmetadata:\n%s\nspec:%s" $definition.apiVersion $definition.kind (indent 2 $metadata) $spec) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "ours" $ours "others" $others "releases" ($releases | uniq) | toJson -}}
{{- end -}}
