# SPDX-License-Identifier: GPL-2.0
#
# The verbs of this repository; make help lists them. Everything with logic in
# it is under tools/: this file only says which tool does what, and names the
# knobs. It builds no kernel module by itself (see make series for that).

# Kernel version that the series is for; tools/series/bases.py knows them.
BASE     ?= 7.2
# Own kernel tree, own QEMU tree: instead of the distribution's source packages.
KSRC     ?=
QEMU_SRC ?=
# Where everything is built, and where downloads are kept (shared by clones).
O        ?= build
CACHE    ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/atc-fence
# Only this scenario, in check; what QEMU seeds random numbers with.
SCENARIO ?=
SEED     ?= 1
# V=1: show what compilers and apt say.
V        ?=
# Sign-off for make series: SOB="Name <mail>"
SOB      ?=
# Compiler jobs; default: one per processor.
JOBS     ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# Knobs reach the tools as environment; a relative path is relative to here.
override O     := $(abspath $(O))
override CACHE := $(abspath $(CACHE))
ifneq ($(KSRC),)
override KSRC := $(abspath $(KSRC))
endif
ifneq ($(QEMU_SRC),)
override QEMU_SRC := $(abspath $(QEMU_SRC))
endif
export BASE KSRC QEMU_SRC O CACHE SCENARIO SEED V SOB JOBS
# Where BASE is built and run (folder() in tools/series/bases.py).
W := $(O)$(if $(filter-out 7.2,$(BASE)),/$(BASE))

PY    := /usr/bin/python3
SETUP := tools/setup/bootstrap

##@ From a fresh clone
demo: ## boot an unpatched and a patched kernel with a dead endpoint, side by side
	@$(SETUP) all
	@$(PY) -m tools.bench.demo --out $(W)

check: ## everything that CI runs, as KTAP
	@$(SETUP) check --sparse --others
	@$(PY) -m tools.checks.runner

setup: ## packages and sources only
	@$(SETUP) setup

kernels: ## both guest kernels only
	@$(SETUP) kernels

qemu: ## QEMU with the model only
	@$(SETUP) qemu

##@ The series
series: ## mail-ready patches in $(O)/series/$(BASE)
	@$(SETUP) series
	@$(PY) -m tools.series.assemble series --out $(O) --base $(BASE) --sob "$$SOB"

tree: ## work tree with one commit per patch, to edit: $(O)/tree, or $(O)/$(BASE)/tree
	@$(SETUP) tree
	@$(PY) -m tools.series.assemble tree --out $(O) --base $(BASE)

absorb: ## write the commits of that tree back into hooks and files
	@$(PY) -m tools.series.absorb --out $(O) --base $(BASE) $(if $(ABSORB_FORCE),--force)

##@ Parts of check
kunit: ## the kernel's own unit tests, in a guest
	@$(SETUP) all
	@$(PY) -m tools.checks.runner kunit

qtest: ## tests of QEMU's model
	@$(SETUP) qemu
	@$(PY) -m tools.checks.runner qtest

bench: ## what the fence costs, beside the limits, in $(O)/bench/cost
	@$(SETUP) all
	@$(PY) -m tools.bench.cost --out $(O)

models: ## search the models of the races in full, and for what mutants of them break
	@$(SETUP) setup
	@$(PY) -m tools.checks.runner models

mutants: ## each safeguard taken out once: the tests have to notice
	@$(SETUP) all
	@$(PY) -m tools.checks.runner mutants

##@ Other
clean: ## remove $(O), but not with edits that are not absorbed; keeps CACHE
	@$(PY) -m tools.setup.clean

help: ## this text
	@echo 'usage: make VERB [VARIABLE=value ...]'
	@sed -n -e 's/^##@ \(.*\)/\n\1:/p' \
	        -e 's/^\([a-z]*\): ## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12
	@echo
	@echo 'variables (now):'
	@printf '  %-10s%s\n' \
	  BASE     'kernel version of the series ($(BASE))' \
	  KSRC     'own kernel tree ($(or $(KSRC),Debian'\''s))' \
	  QEMU_SRC 'own QEMU 10.0 tree ($(or $(QEMU_SRC),Debian'\''s))' \
	  O        'build folder ($(O))' \
	  CACHE    'downloads and unpacked sources ($(CACHE))' \
	  SCENARIO 'only this scenario, in check ($(or $(SCENARIO),all))' \
	  SEED     'what QEMU seeds random numbers with ($(SEED))' \
	  V        '1: show what compilers and apt say ($(or $(V),off))' \
	  SOB      '"Name <mail>" that signs the patches of make series ($(or $(SOB),nobody))' \
	  JOBS     'compiler jobs ($(or $(JOBS),one per processor))'

.PHONY: demo check setup kernels qemu series tree absorb kunit qtest bench models mutants clean help
