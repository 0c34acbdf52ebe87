# Everything that is done with this project. `make` lists the targets.
#
# It needs Rust (with rustfmt and clippy), Go, Python 3, make, bash, coreutils and git, and for the tests of terminals nginx and haproxy,
# which it fetches itself on Debian and Ubuntu: the programs of the test bench and cargo-deny are built or put once into
# ${ARGOCD_ACCESS_TOOLS} or ~/.cache/argocd-access-operator/tools, outside target/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
cargo_deny_version := 0.20.2
tools_cache := $(or $(ARGOCD_ACCESS_TOOLS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/argocd-access-operator/tools)
chart_crds := charts/argocd-access-operator/files/crds
steps_folder := target/steps

# What `make test` does, in this order: what fails quickly comes first, what needs the test bench last.
test_steps := fmt clippy unit check-generated deny tools test-binaries policy aws chart cluster clusters faults owners agent terminal documents

.PHONY: help
help: ## list the targets
	@printf 'argocd-access-operator: make TARGET\n\n'
	sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '  %-16s %s\n' "$$name" "$$text"; done

.PHONY: test
test: ## everything that is checked, step by step, with a summary; stops at the first failure
	@rm -rf $(steps_folder)
	status=0
	for step in $(test_steps); do $(MAKE) $$step || { status=$$?; break; }; done
	printf '\n%-16s %-8s %8s\n' step result time
	for step in $(test_steps); do
	  result='not run' took=0
	  [ ! -f $(steps_folder)/$$step ] || read -r result took <$(steps_folder)/$$step
	  printf '%-16s %-8s %5d:%02d\n' "$$step" "$$result" $$((took / 60)) $$((took % 60))
	done
	printf '%-16s %-8s %5d:%02d\n' 'in all' "$$([ $$status -eq 0 ] && echo ok || echo failed)" $$((SECONDS / 60)) $$((SECONDS % 60))
	exit $$status

# A step prints what it checks (its text behind ##), runs NAME.run, prints how long that took and notes it for the summary.
fmt: ## the code is formatted (make format does it)
fmt.run = $(call need_component,fmt,rustfmt) && $(CARGO) fmt --all -- --check

clippy: ## clippy has nothing to say about any target
clippy.run = $(call need_component,clippy,clippy) && $(CARGO) clippy --locked --all-targets -- -D warnings

unit: ## the unit tests
unit.run = $(CARGO) test --locked --lib --bins

check-generated: ## the generated files are what the code generates (make generate writes them)
check-generated.run = $(check_generated)

deny: ## the dependencies' licences, sources and banned crates
deny.run = $(need_cargo_deny) && $(cargo_deny) --locked check licenses bans sources

tools: ## the programs of the test bench are built (etcd, Kubernetes, kwok, helm, Argo CD, argocd-agent, promtool; once, about 32 minutes) or fetched (nginx, haproxy, and of PyPI what judges documents for AWS, metrics and manifests)
tools.run = tests/tools/build && tests/tools/debian && tests/tools/pypi

test-binaries: ## every test builds
test-binaries.run = $(CARGO) test --locked --no-run

policy: ## no input becomes more policy than was declared, judged by Argo CD's own code
policy.run = $(need_tools) && $(guard) $(CARGO) test --locked --test policy

aws: ## the documents for AWS: judged by parliament, taken by the aws command line and moto, and the objects by a real API server
aws.run = $(need_tools) && tests/tools/pypi && $(guard) $(CARGO) test --locked --test aws

chart: ## the Helm chart, with the real helm on a real API server, and by the schemas of every Kubernetes that is served
chart.run = $(need_tools) && tests/tools/pypi && $(guard) $(CARGO) test --locked --test chart

cluster: ## the operator on a real API server, under the rights that its chart gives it
# These tests wait for a cluster more than they compute.
cluster.run = $(need_tools) && $(guard) $(CARGO) test --locked --test cluster -- --test-threads=6

clusters: ## remote clusters: two API servers, and the credential of the one for the other
# Each has an API server of its own beside the common one.
clusters.run = $(need_tools) && $(guard) $(CARGO) test --locked --test clusters -- --test-threads=3

faults: ## the API server, etcd, watches and certificates fail, and what is declared becomes true and what is over ends all the same
# Most have a control plane of their own.
faults.run = $(need_tools) && $(guard) $(CARGO) test --locked --test faults -- --test-threads=2

owners: ## beside Helm 3 and 4, and beside an Argo CD that manages itself, each of them real
owners.run = $(need_tools) && $(guard) $(CARGO) test --locked --test owners

agent: ## live resources through a real argocd-agent, its principal and its agent on two API servers
agent.run = $(need_tools) && $(guard) $(CARGO) test --locked --test agent

terminal: ## terminals through a real Argo CD, on two Kubernetes versions, and on a remote cluster
terminal.run = $(need_tools) && tests/tools/debian && $(guard) $(CARGO) test --locked --test terminal --test terminal-older-kubernetes --test terminal-explain --test terminal-remote

documents: ## what the documents say is true, and the code's own documentation builds
documents.run = $(need_tools) && $(guard) $(CARGO) test --locked --test documents && $(CARGO) test --locked --doc \
  && RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --quiet

build: ## build the operator
build.run = $(CARGO) build --locked

# Apart from make test: it takes a release build for each platform, which is about ten minutes.
image: ## the operator's image for amd64 and arm64, static and without a container engine, into target/image/oci
image.run = tests/tools/image/build

image-test: ## what make image wrote runs as its own read-only root file system, against a real API server; needs root
image-test.run = $(need_tools) && tests/tools/debian fetch qemu-aarch64-static && $(guard) $(CARGO) test --locked --test image -- --ignored --nocapture

soak: ## 100,000 changes with the release build, while memory and open files stay level; SOAK_CHANGES says another number
# Half an hour and more, so it is no part of make test, which makes some thousand.
soak.run = $(need_tools) && $(CARGO) build --locked --release --bin argocd-access && ARGOCD_ACCESS_PROGRAM=$(CURDIR)/target/release/argocd-access \
  SOAK_CHANGES=$${SOAK_CHANGES:-100000} $(CARGO) test --locked --test faults -- --nocapture soak

advisories: ## known vulnerabilities; fetches the advisory database from the network, so it is no part of make test
advisories.run = $(need_cargo_deny) && $(cargo_deny) --locked check advisories

steps := $(test_steps) build image image-test soak advisories
.PHONY: $(steps)
$(steps):
	@printf '\n== %s: %s\n' $@ "$$(sed -nE 's/^$@:[^#]*## (.*)/\1/p' Makefile)"
	mkdir -p $(steps_folder)
	status=0
	( $($@.run) ) || status=$$?
	result=$$([ $$status -eq 0 ] && echo ok || echo failed)
	echo "$$result $$SECONDS" >$(steps_folder)/$@
	printf '== %s: %s, %d:%02d\n' $@ "$$result" $$((SECONDS / 60)) $$((SECONDS % 60))
	exit $$status

.PHONY: format
format: ## format the code
	@$(call need_component,fmt,rustfmt) && $(CARGO) fmt --all

.PHONY: generate
generate: ## write the generated files: the CustomResourceDefinitions, for kubectl and in the chart, and docs/reference/
	@mkdir -p crds $(chart_crds)
	rm -f crds/*.yaml $(chart_crds)/*.yaml
	$(call generate_crds,crds)
	cp crds/*.yaml $(chart_crds)/
	$(call generate_reference,docs/reference)

.PHONY: bench
bench: ## measure the operator on a real API server, and its core by itself; BENCH="latency policy" takes parts of it (docs/performance.md)
	@$(need_tools)
	$(CARGO) build --locked --release --bin argocd-access
	$(CARGO) bench --locked --profile measure --no-run
	ARGOCD_ACCESS_PROGRAM=$(CURDIR)/target/release/argocd-access $(CARGO) bench --locked --profile measure --bench operator -- $(BENCH)
	[ -n "$(BENCH)" ] || $(CARGO) bench --locked --profile measure --bench core

.PHONY: static
static: ## write charts/static/install.yaml: what the chart renders, for those who install without Helm
	@$(need_tools) && tests/tools/static charts/static

.PHONY: demo demo-down
demo: ## see it work on this machine: a whole cluster with Argo CD, and a terminal through it
	@exec ./tests/demo/run
demo-down: ## end the demo
	@exec ./tests/demo/down

.PHONY: clean
clean: ## remove what was built here; the test bench's programs stay in their cache
	@$(CARGO) clean
	echo "The programs of the test bench stay in $(tools_cache)"

# The commands that several steps have in common.
need_component = { $(CARGO) $(1) --version >/dev/null 2>&1 || { echo "make: $(2) is missing: run 'rustup component add $(2)'" >&2; exit 1; }; }
need_tools = tests/tools/build
# A test that waits for ever must not keep everything waiting; the bench ends what it started when it is ended itself.
guard = timeout --kill-after=30s 30m

# By a test binary, since those are built anyway: the program alone is another build of everything. (Its own output is tested to be the same.)
generate_crds = $(CARGO) test --locked --quiet --test reference -- crds $(1)

generate_reference = $(CARGO) test --locked --quiet --test reference -- write $(1)

define check_generated
  fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT
  mkdir "$$fresh/crds"
  { $(call generate_crds,"$$fresh/crds"); } || exit
  same=true
  for folder in crds $(chart_crds); do diff -ru "$$folder" "$$fresh/crds" || same=false; done
  $(call generate_reference,"$$fresh/reference") || exit
  diff -ru docs/reference "$$fresh/reference" || same=false
  $$same || { echo "make: generated files are not up to date: run 'make generate' and commit what it changes" >&2; exit 1; }
endef

# Only the time to build it matters, and it is resumed where it was interrupted.
cargo_deny_folder := $(tools_cache)/cargo-deny-$(cargo_deny_version)
cargo_deny := $(cargo_deny_folder)/bin/cargo-deny
need_cargo_deny = { [ -x $(cargo_deny) ] || { echo "make: building cargo-deny $(cargo_deny_version), once" \
  && CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
  $(CARGO) install cargo-deny --locked --version $(cargo_deny_version) --root $(cargo_deny_folder) --target-dir $(tools_cache)/.cargo-deny-target \
  && rm -rf $(tools_cache)/.cargo-deny-target; }; }
