# POSIX make is enough. `make help` lists the targets.
.POSIX:

GO = go
# Version of a build: the nearest tag, the commit, or "dev" outside git.
VERSION = $$(git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS = -s -w -X main.version=$(VERSION)
PREFIX = /usr/local
DESTDIR =
FUZZTIME = 30s
BENCHFLAGS =
SCHEDULES = 2000
SEED = 1
SERVER = sandbox
LINT_VERSION = v2.15.0
VULN_VERSION = v1.9.0
RELEASE_TOOLS = v2.15.1 v1.57.1 # of goreleaser and syft

BUILD = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)"

.PHONY: help demo build install docs test lint vuln fuzz bench crash disk cross release-dry release-check reproducible wine clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r target text; do \
		printf '  make %-14s %s\n' "$$target" "$$text"; done

demo: build ## send two declarations to a server on this machine and fetch the answers
	.build/socbatch demo

build: ## build .build/socbatch, a static binary
	@mkdir -p .build
	$(BUILD) -o .build/ ./cmd/socbatch

install: build ## install to PREFIX (/usr/local), below DESTDIR
	mkdir -p "$(DESTDIR)$(PREFIX)/bin"
	cp .build/socbatch "$(DESTDIR)$(PREFIX)/bin/socbatch"
	chmod 755 "$(DESTDIR)$(PREFIX)/bin/socbatch"
	scripts/share.sh .build/socbatch "$(DESTDIR)$(PREFIX)/share"

docs: ## write docs/reference.md and the words of the help tests anew, from the code
	$(GO) test ./internal/cli -count=1 -run '^(TestReference|TestHelpIsSaid)$$' -update

test: ## install what the tests need where possible, and run them all
	scripts/test-tools.sh
	scripts/test.sh

lint: ## check form, directions of imports and usual mistakes
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION) run ./...

vuln: ## look for known vulnerabilities in what is linked
	scripts/vuln.sh $(VULN_VERSION)

fuzz: ## run every fuzz test for FUZZTIME (30s)
	scripts/fuzz.sh $(FUZZTIME)

bench: build ## measure beside lftp, sftp, rclone and openssl; BENCHFLAGS="-quick -rows 1,3"
	GO="$(GO)" scripts/bench.sh $(BENCHFLAGS)

crash: ## kill, cut and restart everywhere, SCHEDULES (2000) times, made from SEED (1); SERVER=sshd
	@mkdir -p .build
	$(GO) build -tags crashpoints -o .build/socbatch-crash ./cmd/socbatch
	$(GO) run ./internal/crash -server $(SERVER) -binary .build/socbatch-crash -schedules $(SCHEDULES) -seed $(SEED) -parallel 2

disk: ## let the disk fail at every system call of submit and fetch, one by one (Linux on amd64)
	SOCBATCH_DISK=all $(GO) test -count=1 -timeout 2h -run '^TestDiskFaults$$' ./internal/cli

cross: ## check and build for Linux on ARM, Windows and macOS
	for target in linux/arm64 windows/amd64 darwin/arm64; do \
		echo "$$target"; \
		export GOOS="$${target%/*}" GOARCH="$${target#*/}"; \
		mkdir -p ".build/$$GOOS-$$GOARCH" && \
		$(BUILD) -o ".build/$$GOOS-$$GOARCH/" ./cmd/socbatch && \
		CGO_ENABLED=0 $(GO) vet ./... || exit 1; \
	done

release-dry: ## make archives, packages, checksums and SBOMs in .build/release, and publish nothing
	scripts/release.sh $(RELEASE_TOOLS)

release-check: ## install the package of release-dry in a clean Debian, and try it there
	scripts/release-check.sh

reproducible: ## make the release of the last commit twice, and compare
	scripts/reproducible.sh $(RELEASE_TOOLS)

wine: ## run the tests of the packages for Windows, under wine
	GO="$(GO)" scripts/wine.sh

clean: ## remove what was built
	rm -rf .build
