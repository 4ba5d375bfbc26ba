# Go, git and make are enough for every target but test: the race detector needs a C compiler,
# and test/thirdparty Node.js with npm, which it installs with apt-get where they are missing.
.DEFAULT_GOAL := help
.PHONY: help build run test bench flips fuzz lint fmt
SHELL := /bin/sh

GO        ?= go
FUZZTIME  ?= 10s
# How many bits `make flips` turns on disk.
FLIPS     ?= 2000
# Flags for `vitae bench`, for instance BENCHFLAGS='--seconds 2 -o jsonl'.
BENCHFLAGS ?=

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/vitae
	@# Without a readable git history the binary is built without its revision.
	$(GO) build -trimpath $$(git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false) -o bin/vitae ./cmd/vitae

run: build ## start everything with stand-in providers and a demo profile; the data stays in ./data
	bin/vitae serve --data ./data --sandbox --sandbox-listen 127.0.0.1:8090 --demo

test: lint ## check the sources and run every test, with the race detector where it can run
	@race=-race; CGO_ENABLED=1 $(GO) build -race runtime/cgo >/dev/null 2>&1 || race=; \
	echo "$(GO) test $$race -timeout 25m ./..."; status=0; \
	if [ -n "$$race" ]; then CGO_ENABLED=1 $(GO) test -race -timeout 25m ./... || status=$$?; \
	else $(GO) test -timeout 25m ./... || status=$$?; fi; \
	if [ -z "$$race" ]; then \
		echo; echo "NOT RUN: the race detector. It needs a C compiler (\`$$($(GO) env CC)\`) and a system that Go supports it on."; \
		if [ "$$CI" = true ]; then echo "This counts as a failure, because CI=true."; [ $$status -ne 0 ] || status=1; fi; \
	fi; exit $$status

bench: build ## measure this machine, with the engine's own limits beside it (BENCHFLAGS)
	bin/vitae bench $(BENCHFLAGS)

flips: ## turn FLIPS (2000) bits of stopped data folders, one at a time, and check each
	VITAE_FLIPS=$(FLIPS) $(GO) test -count 1 -timeout 0 -v -run 'BitsOnDisk' ./cmd/vitae/internal/server

fuzz: ## run every fuzz test for FUZZTIME (10s)
	@set -e; for pkg in $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do \
		for f in $$($(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) "$$pkg"; \
		done; \
	done

lint: ## check format, go vet, staticcheck
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fmt: ## format the sources
	"$$($(GO) env GOROOT)/bin/gofmt" -w .
