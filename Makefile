# SPDX-License-Identifier: GPL-2.0
#
# The verbs of this repository; make help lists them. This file names the
# variables and calls one tool for each verb. All logic is under tools/.

# Kernel version that the series is for; tools/series/bases.py knows them.
BASE     ?= 7.2
# Kernel tree and QEMU tree to use instead of the distribution's source packages.
KSRC     ?=
QEMU_SRC ?=
# Where everything is built, and where downloads are kept (shared by clones).
O        ?= build
CACHE    ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/atc-fence
# What compilers have made, for all kernels and clones: ccache's own variables.
CCACHE_DIR     ?= $(CACHE)/ccache
CCACHE_BASEDIR ?= $(abspath $(O))
CCACHE_MAXSIZE ?= 3G
# By the list of headers that the compiler writes: no second run for the preprocessor.
CCACHE_DEPEND  ?= 1
# Names of scenarios, separated by commas: guests and check run only these.
SCENARIO ?=
# Names of functions, separated by commas, * and ? allowed: conditions tries only theirs.
FUNCTION ?=
# Seed of QEMU's random numbers.
SEED     ?= 1
# V=1: show what compilers and apt say.
V        ?=
# An HTML page of the demo, with pictures: REPORT=demo.html
REPORT   ?=
# UPDATE_README=1: write the demo's screen into README.md.
UPDATE_README ?=
# Sign-off for make series: SOB="Name <mail>"
SOB      ?=
# make range-diff compares the series with what it was at this commit.
FROM     ?=
# Compiler jobs, and guests of conditions at once; default: one per processor.
JOBS     ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# The tools read the variables from the environment. A relative path starts here.
override O     := $(abspath $(O))
override CACHE := $(abspath $(CACHE))
ifneq ($(KSRC),)
override KSRC := $(abspath $(KSRC))
endif
ifneq ($(QEMU_SRC),)
override QEMU_SRC := $(abspath $(QEMU_SRC))
endif
export CCACHE_DIR CCACHE_BASEDIR CCACHE_MAXSIZE CCACHE_DEPEND
export BASE KSRC QEMU_SRC O CACHE SCENARIO FUNCTION SEED V SOB JOBS REPORT
# Where BASE is built and run (folder() in tools/series/bases.py).
W := $(O)$(if $(filter-out 7.2,$(BASE)),/$(BASE))

PY    := /usr/bin/python3
SETUP := tools/setup/bootstrap

##@ From a fresh clone
demo: ## boot an unpatched and a patched kernel with one dead endpoint, side by side
	@$(SETUP) all
	@$(PY) -m tools.bench.demo --out $(W) $(if $(REPORT),--report "$$REPORT") $(if $(UPDATE_README),--update-readme README.md)

check: ## run every test, as KTAP; CI runs this
	@$(SETUP) check --sparse --others
	@$(PY) -m tools.checks.runner

setup: ## install packages and fetch the sources only
	@$(SETUP) setup

kernels: ## build both guest kernels only
	@$(SETUP) kernels

qemu: ## build QEMU with the model only
	@$(SETUP) qemu

qemu-series: ## the model as mails for an own QEMU tree, in $(O)/qemu-series
	@$(PY) -m tools.qemu.mails write $(O)/qemu-series --sob "$$SOB"

qemu-bisect: ## build QEMU after each of these mails
	@$(SETUP) qemu
	@$(PY) -m tools.qemu.mails bisect $(O)/src/qemu $(O)/qemu-bisect

##@ The series
series: ## write the patches as mails to $(O)/series/$(BASE)
	@$(SETUP) series
	@$(PY) -m tools.series.assemble series --out $(O) --base $(BASE) --sob "$$SOB"

tree: ## check out one commit per patch, to edit, in $(O)/tree or $(O)/$(BASE)/tree
	@$(SETUP) tree
	@$(PY) -m tools.series.assemble tree --out $(O) --base $(BASE)

absorb: ## write the commits of that tree back into patches and new files
	@$(PY) -m tools.series.absorb --out $(O) --base $(BASE) $(if $(ABSORB_FORCE),--force)

range-diff: ## compare the series of the commit FROM with that of now, by git range-diff
	@$(SETUP) series
	@$(PY) -m tools.series.rangediff --out $(O) --base $(BASE) "$(FROM)"

##@ Parts of check
guests: ## run the scenarios on both kernels; SCENARIO=NAME runs one
	@! [ -x $(PY) ] || $(PY) -m tools.bench.scenarios --out $(W) --list >/dev/null
	@$(SETUP) all
	@$(PY) -m tools.bench.scenarios --out $(W)

kunit: ## run the kernel's unit tests in a guest
	@$(SETUP) all
	@$(PY) -m tools.checks.runner kunit

qtest: ## run the tests of the QEMU model
	@$(SETUP) qemu
	@$(PY) -m tools.checks.runner qtest

bench: ## measure what the series costs, with and without its part speed, against limits: $(O)/bench/cost
	@$(SETUP) all
	@$(PY) -m tools.bench.kernel build unpatched-uncleared without-speed --out $(W) --base $(BASE) $(if $(JOBS),--jobs "$$JOBS")
	@$(PY) -m tools.bench.cost --out $(W) --variants

models: ## search the models of the races in full, and try their mutants
	@$(SETUP) setup
	@$(PY) -m tools.checks.runner models

##@ Longer than check
soak: ## run each scenario three times idle and three times beside a load, count failures
	@$(SETUP) all
	@$(PY) -m tools.bench.soak --out $(W)

mutants: ## remove one safeguard at a time; a test must fail each time. check runs those that KUnit notices
	@$(SETUP) all
	@$(PY) -m tools.checks.mutants --out $(W) --base $(BASE)

conditions: ## force each condition of the series false, then true; a test must fail. FUNCTION=NAME tries some
	@$(SETUP) all
	@$(PY) -m tools.checks.conditions --out $(W) --base $(BASE)

coccicheck: ## the kernel's own coccinelle rules on the files of the series, with and without it
	@$(SETUP) all
	@$(PY) -m tools.checks.coccinelle --out $(W) --base $(BASE) --kernel

kcsan: ## look for data races: KUnit, a scenario and the attach storm on a kernel of its own
	@$(SETUP) kcsan
	@$(PY) -m tools.bench.sanitized kcsan --out $(W)

parts: ## boot the kernel after each part in the scenarios that the part claims
	@$(SETUP) all
	@$(PY) -m tools.checks.bisect --out $(W) --base $(BASE) --boot parts

bisect: ## boot the kernel after each patch
	@$(SETUP) all
	@$(PY) -m tools.checks.bisect --out $(W) --base $(BASE) --boot patches

##@ Other
pictures: ## the README's picture of the data flow, from its source
	@$(PY) -m tools.docs.pictures

clean: ## remove $(O), unless a tree in it has edits that are not absorbed; keep CACHE
	@$(PY) -m tools.setup.clean

help: ## print this text
	@echo 'usage: make VERB [VARIABLE=value ...]'
	@sed -n -e 's/^##@ \(.*\)/\n\1:/p' \
	        -e 's/^\([a-z-]*\): ## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14
	@echo
	@echo 'variables (now):'
	@printf '  %-14s%s\n' \
	  BASE     'kernel version of the series ($(BASE))' \
	  KSRC     'kernel tree ($(or $(KSRC),Debian'\''s))' \
	  QEMU_SRC 'QEMU 10.0 tree ($(or $(QEMU_SRC),Debian'\''s))' \
	  O        'build folder ($(O))' \
	  CACHE    'downloads, unpacked sources, compiled objects ($(CACHE))' \
	  SCENARIO 'names, with commas between: guests and check run only these ($(or $(SCENARIO),all))' \
	  FUNCTION 'functions, with commas between, * and ? allowed: conditions tries only these ($(or $(FUNCTION),all))' \
	  SEED     'seed of QEMU'\''s random numbers ($(SEED))' \
	  V        '1: show what compilers and apt say ($(or $(V),off))' \
	  SOB      '"Name <mail>": make series adds this sign-off ($(or $(SOB),none))' \
	  REPORT   'HTML page that make demo writes: make demo REPORT=demo.html ($(or $(REPORT),none))' \
	  UPDATE_README '1: make demo writes its screen into README.md ($(or $(UPDATE_README),off))' \
	  FROM     'commit that make range-diff compares with ($(or $(FROM),none))' \
	  JOBS     'compiler jobs, and guests of conditions at once ($(or $(JOBS),one per processor))'

.PHONY: demo check setup kernels qemu qemu-series qemu-bisect series tree absorb range-diff guests kunit qtest bench soak models mutants conditions coccicheck kcsan parts bisect pictures clean help
