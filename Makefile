# Two commands: `make up` and `make test`. What they do is in deploy/local; here is only the list.
.DEFAULT_GOAL := help
.PHONY: help up down reset status logs build parts test test-full chaos recovery rates

millrace := $(or $(CARGO_TARGET_DIR),target)/release/millrace

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PORT_BASE=20000 moves every port; MILLRACE_CACHE=DIR shares the fetched parts between clones"

up: ## install what is missing, build, start everything, show the first analytics
	@deploy/local/build up
	@$(millrace) up

down: built ## stop everything and keep the data
	@$(millrace) down

reset: built ## stop everything and delete the data
	@$(millrace) reset --yes

status: built ## what runs, on which ports, in which versions
	@$(millrace) status

logs: built ## follow the logs; S=kafka for one of them
	@$(millrace) logs --follow $(S)

build: ## build the binary
	@deploy/local/build

parts: ## fetch the broker, the registry, the ClickHouse engine and ONNX Runtime into the cache
	@deploy/local/bootstrap parts
	@deploy/local/fetch-parts

test: ## everything CI checks, on real services of its own
	@deploy/local/test

test-full: ## the same and the runs over whole data files, which are in DATA=folder
	@deploy/local/test full "$(DATA)"

chaos: ## faults under load, judged by an oracle: SEED=1 MINUTES=2 RATE=2000 PACE=1500 RUNS=1, or SCHEDULE=FILE; EVENTS=N ends it sooner
	@deploy/local/chaos run --seed $(or $(SEED),1) --minutes $(or $(MINUTES),2) --rate $(or $(RATE),2000) --runs $(or $(RUNS),1) \
		$(if $(PACE),--pace-ms $(PACE)) $(if $(EVENTS),--events $(EVENTS)) $(if $(SCHEDULE),--schedule $(SCHEDULE)) $(if $(RESULTS),--results $(RESULTS))

recovery: ## time until the lag is back after kill -9 of each process: RATE=4000 ROUNDS=3
	@deploy/local/chaos recovery --rate $(or $(RATE),4000) --rounds $(or $(ROUNDS),3)

rates: ## events per second of processors, restores, the projector and a rebuild: EVENTS=1000000
	@deploy/local/chaos rates --events $(or $(EVENTS),1000000)

.PHONY: built
built:
	@test -x $(millrace) || { echo "millrace: nothing is built yet: run \`make up\`" >&2; exit 3; }
