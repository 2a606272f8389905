.DEFAULT_GOAL := help
.PHONY: help build image demo check test test-unit test-lab test-all test-faults soak sync-cost told-cost compose-cluster compose-test compose-all bench lab-up lab-down lab-status

# The race detector needs a C compiler; a machine without one runs the same tests without it.
RACE := $(if $(shell command -v gcc),-race,)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/migrate and bin/demo
	go build -o bin/ ./cmd/migrate ./deploy/demo

image: IMAGE := migrate
image: ## build the image of migrate for deploy/compose; BASE is what it stands on
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/image/migrate ./cmd/migrate
	docker build --file deploy/compose/migrate/Dockerfile $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(IMAGE) bin/image

demo: export MIGRATE_CONFIG := deploy/demo/migrate.yaml
demo: build lab-up ## move 100,000 documents from a real standalone to a real cluster, and prove it
	bin/demo seed
	bin/demo clear
	bin/migrate plan
	bin/migrate export --overwrite
	bin/migrate import
	bin/migrate verify
	bin/demo search
	@echo 'done; the lab goes on running, and `make lab-down` stops it'

# Tests in layers, by their build tags: without one they need no server; lab wants those of the lab; faults, with lab, takes minutes
# each; compose wants a Docker engine.
TAGS := lab,faults,compose
TIMES := .lab/times

# The race detector needs C, and no second at the end of each program. All else is built as the image is, and so but once.
check test-unit test-lab compose-cluster: export CGO_ENABLED := 0
check test-unit test-lab compose-cluster: export GOFLAGS := -trimpath
RUN_TESTS = go tool gotestsum --format pkgname-and-test-fails --jsonfile $(TIMES)/$@.json --raw-command -- \
	env $(if $(RACE),CGO_ENABLED=1 GOFLAGS= GORACE=atexit_sleep_ms=10) go test -json $(RACE)

check: ## gofmt, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo 'run gofmt -w on these' ; exit 1 ; }
	go vet -tags $(TAGS) ./...
	go tool staticcheck -tags $(TAGS) ./...
	@test -n '$(RACE)' || echo 'no gcc here: the tests run without the race detector'

test-unit: ## the tests that need no server: two minutes
	@mkdir -p $(TIMES)
	$(RUN_TESTS) ./...

test-lab: ## these and the tests on the lab, which it starts and stops: kills at 3 instants; tells the times, slowest first
	@mkdir -p $(TIMES)
	go run ./cmd/lab run -- $(RUN_TESTS) -tags lab -timeout 40m -parallel 8 ./... ; ended=$$? ; \
		go tool gotestsum tool slowest --threshold 1s --jsonfile $(TIMES)/$@.json ; exit $$ended

test: check test-lab ## check the code, and run the tests: those without servers, and those on the lab

test-all: test test-faults told-cost soak ## everything: 30 instants of kills, what a sync costs, a soak, and where a Docker engine can be had the files of deploy/compose; hours
	@CGO_ENABLED=0 go build -o bin/try ./deploy/engine/try
	@if why=$$(bin/try .lab 2>&1) ; then $(MAKE) --no-print-directory compose-cluster compose-test compose-all ; \
		else echo "the files of deploy/compose were not run: $$why" ; test '$(COMPOSE)' != must ; fi

test-faults: export KILLS ?= 30
test-faults: export SNAPSHOTS ?= 20
test-faults: export FAULT_TABLE := $(CURDIR)/.lab/faults.jsonl
test-faults: ## all tests, and those that take minutes: kill -9 at 30 random instants each, servers restarted under load; writes the table of docs/reliability.md
	mkdir -p .lab && rm -f $(FAULT_TABLE)
	go run ./cmd/lab run -- go test -p 1 -timeout 80m -count 1 -tags lab,faults ./...
	go run ./internal/labtest/faulttable/write docs/reliability.md $(FAULT_TABLE)

soak: export SOAK ?= 30m
soak: ## half an hour of writers on a standalone beside a sync, both killed and restarted, with the cluster's servers; prints the lag
	go run ./cmd/lab run -- go test -timeout 60m -count 1 -v -tags lab,faults -run TestSoak ./cmd/migrate

sync-cost: export ROWS ?= 500000
sync-cost: ## what a sync costs the source in CPU time, on a lab of its own: ROWS=100000 takes 10 minutes, and 1000000 half an hour
	go run ./cmd/lab run -- go test -timeout 60m -count 1 -v -tags lab,faults -run 'TestSyncCost|TestToldCost' ./internal/syncer

told-cost: ## the same of a sync that is told by the storage alone, with 1,000,000 rows, and fails where it costs too much
	ROWS=1000000 go run ./cmd/lab run -- go test -timeout 60m -count 1 -v -tags lab,faults -run TestToldCost ./internal/syncer

COMPOSED = @test "$$(id -u)" = 0 || { echo 'make $@ needs root: it starts a Docker engine' ; exit 1 ; }
ON_DOCKER = go test -tags compose -count 1 -v -failfast ./deploy/compose

compose-cluster: ## the cluster's Compose file on a Docker engine, which it starts and stops: an import, verified; needs root
	$(COMPOSED)
	$(ON_DOCKER) -timeout 40m -run '^TestCluster$$'

compose-test: ## the same with every overlay, scaled, without parts of it, and by `migrate cluster`; half an hour
	$(COMPOSED)
	$(ON_DOCKER) -timeout 40m -run TestRun

compose-all: export FAULT_TABLE := $(CURDIR)/.lab/kills.jsonl
compose-all: ## every combination of overlays, and kills under an import, on such an engine; an hour; writes the table of docs/deploy.md
	$(COMPOSED)
	mkdir -p .lab && rm -f $(FAULT_TABLE)
	$(ON_DOCKER) -timeout 120m -run TestAll
	go run ./internal/labtest/faulttable/write docs/deploy.md $(FAULT_TABLE)

bench: build ## hold exports, by queries and from the storage, against pymilvus' and the Go SDK's iterators, and inserts against calls that are bytes already, on the running lab
	go build -o bin/ ./deploy/bench
	bin/bench
	INSERT_ROWS=100000 INSERT_ROUNDS=3 go test -tags lab -count=1 -v -run 'TestInsertSpeed$$' ./internal/labtest/e2e

lab-up: ## install and start the lab: a Milvus standalone and a cluster, without Docker or root
	go run ./cmd/lab up

lab-down: ## stop the lab; `go run ./cmd/lab down --wipe` removes its data too
	go run ./cmd/lab down

lab-status: ## show the lab's parts; fails where one that should run does not
	go run ./cmd/lab status
