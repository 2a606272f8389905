.DEFAULT_GOAL := help
.PHONY: help lab-up lab-down lab-status bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab-up: ## install and start the lab: a Milvus standalone and a cluster, without Docker or root
	go run ./cmd/lab up

lab-down: ## stop the lab; `go run ./cmd/lab down --wipe` removes its data too
	go run ./cmd/lab down

lab-status: ## show the lab's parts; fails where one that should run does not
	go run ./cmd/lab status

bench: ## compare the export's speed with pymilvus' and the Go SDK's iterators, on the lab's standalone
	go build -o bin/migrate ./cmd/migrate
	go build -o bin/bench ./deploy/bench
	bin/bench --migrate bin/migrate
