# Two commands matter: `make run` trains, `make test` proves. Both set up what is missing first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Ranks to start; the layout in cluster.yaml must make as many.
NP ?= 16
# Further arguments of the worker, e.g. ARGS="--steps 20 --set schedule.name=1f1b".
ARGS ?=
# Ranks of the tests that need several, and which suites those are.
TEST_NP ?= 4
TEST_FILTER ?= MPI
# Seconds after which tests count as hung.
TEST_SECONDS ?= 600

# Arguments of the chaos test, e.g. CHAOS="--faults 200 --seed 7".
CHAOS ?=

BUILD := .build/release
BUNDLE := $(BUILD)/dsv3PackageTests.xctest
WITH_MPI := .make/with-mpi
HOSTS := Tests/MultiHost/with-hosts
# A warning is an error where nobody would read it.
STRICT := $(if $(CI),-Xswiftc -warnings-as-errors)

.PHONY: help setup build run test chaos multihost bench memory test-asan lint format clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'make run NP=4 ARGS="--set layout.pipeline=2 --set layout.data=2 --set layout.expert=2"'

setup: ## Install what is missing: Open MPI and C libraries (asks sudo when not root)
	@.make/setup

build: setup ## Compile the commands, optimised
	@swift build -c release

run: build ## Train with cluster.yaml on NP ranks (16), the worker's arguments in ARGS
	@$(WITH_MPI) mpirun -n $(NP) $(BUILD)/dsv3-worker $(ARGS)

test: setup ## All tests, in one process, on 4 ranks, and 16 ranks against one
	@swift build -c release --build-tests $(STRICT)
	@echo 'Tests in one process:'
	@$(WITH_MPI) timeout --foreground -k 10 $(TEST_SECONDS) $(BUNDLE) \
	  --testing-library swift-testing --quiet \
	  || { code=$$?; [[ $$code != 124 ]] || echo 'Still running after $(TEST_SECONDS) s.'; exit $$code; }
	@echo 'Tests on $(TEST_NP) ranks:'
	@.make/test-ranks $(TEST_NP) $(TEST_SECONDS) $(BUNDLE) '$(TEST_FILTER)'
	@echo 'Layouts of up to 16 ranks against one process:'
	@.make/test-ranks 16 $(TEST_SECONDS) $(BUNDLE) MPILayoutTests
	@echo 'A few faults in a training:'
	@if command -v python3 >/dev/null; then Tests/Chaos/chaos.py --faults 3 --kinds kill,hang,coordinator; \
	  else echo 'skipped: there is no python3'; fi
	@echo 'Two hosts, one of them cut off for a while:'
	@$(HOSTS) 2 Tests/MultiHost/scenario $(BUILD) \
	  || { code=$$?; [[ $$code == 77 ]] && echo 'skipped (above is why)' || exit $$code; }
	@echo 'All tests passed, in one process, on $(TEST_NP) and on 16 ranks.'

chaos: build ## 50 random faults in one training, whose losses must not show them
	@Tests/Chaos/chaos.py $(CHAOS)

multihost: build ## Two hosts in network namespaces train over TCP, one is cut off for a while
	@$(HOSTS) 2 Tests/MultiHost/scenario $(BUILD)

bench: build ## Speed of this machine, of a step of one rank, and of 1, 2, 4 and 16 ranks
	@.make/bench

memory: build ## Memory of a step in many layouts, counted and predicted: the tables of docs
	@.make/memory

# XCTest and Open MPI keep memory until the end, so leaks aren't looked for. The tests that start
# jobs under mpirun are about ranks, not about memory, and would take minutes more.
test-asan: setup ## The unit tests under the address sanitizer
	@swift build -c release --build-tests --sanitize=address --scratch-path .build-asan
	@ASAN_OPTIONS=detect_leaks=0 $(WITH_MPI) \
	  timeout --foreground -k 10 $(TEST_SECONDS) .build-asan/release/dsv3PackageTests.xctest \
	  --testing-library swift-testing --quiet --skip JobTests
	@echo 'All tests passed under the address sanitizer.'

lint: ## Complain about style
	@swift format lint --strict --recursive Sources Tests

format: ## Put style right
	@swift format --in-place --recursive Sources Tests

clean: ## Remove what was built
	rm -rf .build .build-asan
