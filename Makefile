# `make help` lists what there is. The same commands run on a laptop and in CI.

PYTHON ?= python3
# The environments that several targets need; each is installed from requirements/<name>.txt, and <name>.in says what it is for.
RUN := .venvs/run
ENGINE := .venvs/ministack
AWS := .venvs/aws
DEV := .venvs/dev
CHECKOV := .venvs/checkov
SCAN := .venvs/scan
OLDEST := .venvs/oldest
AUDIT := .venvs/audit

# What stands on make's command line. A name that the target does not take is refused before anything is installed or paid;
# cli/dropreel_cli/variables.py knows them all. The rest is passed on as environment, so that neither a shell nor make reads what is in a prompt.
GIVEN := $(sort $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name))))
ifeq ($(MAKELEVEL)$(if $(GIVEN),,-),0)
ifeq ($(lastword $(shell PYTHONPATH=cli $(PYTHON) -B -m dropreel_cli.variables '$(MAKECMDGOALS)' '$(subst ','\'',$(GIVEN))'; echo $$?)),2)
$(error Nothing was started)
endif
endif
$(foreach name,$(GIVEN),$(eval override export $(name) := $$(value $(name))))
export MAKE_VARIABLES := $(GIVEN)
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Nothing that is packaged or hashed gets compiled files in it.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.local/pycache
# The environments are installed side by side.
MAKEFLAGS += --jobs=3
# Compiled once, then read by every process that a target starts, whatever the caller says about compiled files.
unexport PYTHONPATH PYTHONDONTWRITEBYTECODE

LOCAL_CLOUD := $(RUN)/installed $(ENGINE)/installed
INSTALLED := $(LOCAL_CLOUD) $(AWS)/installed $(DEV)/installed
# The `dropreel` command, installed from its wheel as users install it. The tests drive it.
COMMAND := .venvs/command/dropreel
SOURCES := $(shell find functions layers statemachine -type f -not -name '*.pyc') template.yaml operations.yaml notifications.yaml schemas.yaml samconfig.toml
# The two builds are the same but for compiled packages, and share no file: what was built for this machine is never deployed.
BUILT := .aws-sam/build/template.yaml
BUILT_LOCAL := .aws-sam/local/build/template.yaml

.DEFAULT_GOAL := help
.PHONY: help setup build build-local run up drop deploy remove test test-exhaustive test-unit test-integration test-faults test-e2e test-board test-scale mutants bench lint scan format lock clean audit package sbom

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install what running, testing and linting need into .venvs/ (once)

build: $(BUILT) ## build the functions and layers for AWS (arm64) with the SAM CLI

build-local: $(BUILT_LOCAL) ## build them for the local cloud: compiled packages for this machine's processor, without Docker

run: $(LOCAL_CLOUD) $(BUILT_LOCAL) ## drop a photograph into a local cloud, get its video in output/ (IMAGE=my.jpg PROMPT="..." DURATION=10 ...)
	@$(RUN)/bin/python -m dropreel_cli.make_arguments run

up: $(LOCAL_CLOUD) $(AWS)/installed $(BUILT_LOCAL) ## keep the local cloud running until Ctrl-C, and print what to paste
	@$(RUN)/bin/python -m dropreel_cli.make_arguments up

drop: $(RUN)/installed ## drop IMAGE=my.jpg into your own AWS stack and wait for its video (PROMPT="..." ...)
	@$(RUN)/bin/python -m dropreel_cli.make_arguments drop

deploy: $(RUN)/installed $(BUILT) ## deploy into your own AWS account (asks the first time; GUIDED=1 asks again, STACK=name)
	@$(RUN)/bin/python -m dropreel_cli.make_arguments deploy

remove: $(RUN)/installed ## remove the stack from your AWS account, and say what is kept and why
	@$(RUN)/bin/python -m dropreel_cli.make_arguments remove

PYTEST := $(DEV)/bin/python -m pytest --numprocesses 4 --no-loadscope-reorder
test: $(INSTALLED) $(COMMAND) $(BUILT) $(BUILT_LOCAL) ## unit, integration (moto), faults, end to end (the local cloud): under 10 minutes
	$(PYTEST) -m 'not exhaustive'

test-exhaustive: $(INSTALLED) $(COMMAND) $(OLDEST)/installed $(BUILT) $(BUILT_LOCAL) ## each permission taken away in turn, an update, the board in a browser, the oldest AWS SDK: minutes
	$(PYTEST) -m exhaustive tests/e2e tests/unit/dropreel/adapters

test-unit: $(DEV)/installed $(RUN)/installed $(OLDEST)/installed .venvs/command/installed ## the unit tests: seconds
	$(DEV)/bin/python -m pytest tests/unit

test-integration: $(DEV)/installed ## the tests against moto: seconds
	$(DEV)/bin/python -m pytest tests/integration

test-faults: $(DEV)/installed ## the proof: deaths at every point (DROPREEL_SCHEDULES=1000 for a longer search)
	$(DEV)/bin/python -m pytest tests/faults

test-e2e: $(INSTALLED) $(COMMAND) $(BUILT) $(BUILT_LOCAL) ## the tests against the local cloud: minutes
	$(DEV)/bin/python -m pytest tests/e2e

test-board: $(INSTALLED) $(COMMAND) $(BUILT_LOCAL) ## the board in a headless Chromium (Debian: apt-get install chromium): minutes
	$(DEV)/bin/python -m pytest tests/unit/web tests/e2e/board

test-scale: $(INSTALLED) $(BUILT_LOCAL) ## 500 images at once, and 100 among killed workers and a wild provider: about 8 minutes
	$(DEV)/bin/python -m pytest tests/scale -o timeout=900

mutants: $(DEV)/installed .venvs/mutation/installed ## change the code in small ways and show what no test notices: about an hour (ONLY="ledger jobs")
	@$(DEV)/bin/python -m tests.mutants $(ONLY)

bench: $(INSTALLED) $(COMMAND) .venvs/bench/installed $(BUILT_LOCAL) ## measure beside rivals and floors, write tables and plots: minutes (ONLY="delivery startup")
	@$(DEV)/bin/python -m benchmarks $(ONLY); status=$$?; .venvs/bench/bin/python -m benchmarks.plots && exit $$status

lint: $(DEV)/installed $(RUN)/installed ## ruff, mypy --strict, cfn-lint (as written and as SAM translates it), statelint
	$(DEV)/bin/ruff check
	$(DEV)/bin/ruff format --check
	$(DEV)/bin/mypy
	$(DEV)/bin/cfn-lint template.yaml operations.yaml notifications.yaml schemas.yaml docs/consumers/*.yaml
	mkdir -p .local && $(RUN)/bin/python -m tests.lint.translated_template >.local/translated.json
	$(DEV)/bin/cfn-lint .local/translated.json
	$(DEV)/bin/python -m tests.lint.rendered_state_machine | xargs -0 $(DEV)/bin/statelint

scan: $(CHECKOV)/installed $(SCAN)/installed $(AUDIT)/installed $(DEV)/installed $(RUN)/installed ## checkov (templates), bandit (code), parliament and cloudsplaining (policies), zizmor (workflows)
	mkdir -p .local && $(RUN)/bin/python -m tests.lint.translated_template >.local/translated.json
	$(CHECKOV)/bin/checkov --quiet --compact --skip-download --config-file .checkov.yaml
	$(SCAN)/bin/bandit --quiet --recursive functions layers cli local
	$(DEV)/bin/python -m tests.lint.policy_documents .local/policies
	$(SCAN)/bin/python tests/lint/scan_policies.py .local/policies template.yaml operations.yaml notifications.yaml
	$(AUDIT)/bin/zizmor --quiet --offline --pedantic .github

audit: $(AUDIT)/installed ## pip-audit over every lock file: needs a network, and says so where there is none
	@$(PYTHON) -B -m tests.lint.audit $(AUDIT)/bin/pip-audit

.PHONY: docs
docs: $(DEV)/installed ## renew what docs/ and README.md have from the code: reference, diagrams, pictures, figures
	for page in docs.draw_state_machine docs.draw_job docs.draw_images docs.write_schemas docs.write_reference docs.write_operations docs.write_cli docs.write_costs benchmarks.report; do $(DEV)/bin/python -m $$page || exit 1; done

.PHONY: permissions
permissions: $(DEV)/installed $(RUN)/installed ## renew docs/permissions.txt after a change of a policy: its diff is what to review
	$(DEV)/bin/python -m tests.unit.template.permissions

.PHONY: recording
recording: $(INSTALLED) $(COMMAND) $(BUILT_LOCAL) ## record docs/pictures/terminal.svg: real commands in a local cloud
	$(DEV)/bin/python -m docs.record_terminal

.PHONY: screenshots
screenshots: $(INSTALLED) $(BUILT_LOCAL) ## draw docs/pictures/board-light.png and board-dark.png: the board of a local run, in Chromium
	$(DEV)/bin/python -m docs.record_board

.PHONY: dashboard
dashboard: $(INSTALLED) .venvs/bench/installed $(BUILT_LOCAL) ## draw docs/pictures/dashboard.png: the dashboard with the metrics of a local run
	$(DEV)/bin/python -m docs.record_dashboard .local/dashboard.json
	.venvs/bench/bin/python -m docs.draw_dashboard .local/dashboard.json

format: $(DEV)/installed ## let ruff put the code into shape
	$(DEV)/bin/ruff check --fix
	$(DEV)/bin/ruff format

LOCK := $(DEV)/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url
lock: $(DEV)/installed ## renew the lock files from the *.in files
	for name in $(basename $(notdir $(wildcard requirements/*.in))); do \
		$(LOCK) --python-version 3.11 $$(test ! -f requirements/$$name.excluded || echo --excludes=requirements/$$name.excluded) \
			requirements/$$name.in --output-file requirements/$$name.txt || exit 1; \
	done
	$(LOCK) --python-version 3.13 layers/dependencies/requirements.in --output-file layers/dependencies/requirements.txt
	$(LOCK) --python-version 3.11 layers/imaging/requirements.in --output-file layers/imaging/requirements.txt

clean: ## remove everything that was installed or built
	rm -rf .venvs .aws-sam .local .hypothesis .mypy_cache .ruff_cache .pytest_cache output dist

package: $(RUN)/installed $(DEV)/installed $(BUILT) ## dist/: the built template with its code, which sam deploys without a build
	@PYTHONPATH=cli $(PYTHON) -B -m dropreel_cli.release package
	@template="dist/dropreel-$$(PYTHONPATH=cli $(PYTHON) -B -m dropreel_cli.release version)/template.yaml" \
		&& AWS_DEFAULT_REGION=us-east-1 $(RUN)/bin/sam validate --template-file "$$template" \
		&& $(DEV)/bin/cfn-lint "$$template" "$$(dirname "$$template")"/*/template.yaml

sbom: $(AUDIT)/installed ## dist/: what runs in Lambda beside our own code, as CycloneDX
	@PYTHONPATH=cli $(PYTHON) -B -m dropreel_cli.release sbom

.venvs/%/installed: requirements/%.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Dropreel needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@echo 'installing $* (once) ...' >&2
	@rm -rf .venvs/$*
	@$(PYTHON) -m venv .venvs/$*
	@.venvs/$*/bin/python -m pip install --quiet --quiet --no-compile --no-deps --require-hashes --requirement $<
	@# What installs is no longer needed, unless it is locked too.
	@for tool in setuptools pip; do \
		grep -q "^$$tool==" $< || .venvs/$*/bin/python -m pip uninstall --quiet --quiet --yes $$tool || exit 1; \
	done
	@.venvs/$*/bin/python -c 'import pathlib, sysconfig; \
		pathlib.Path(sysconfig.get_path("purelib"), "dropreel-checkout.pth").write_text( \
		"\n".join([str(pathlib.Path(each).resolve()) for each in (".", "layers/dropreel", "cli")]) if "$*" in ("run", "dev") else "")'
	@touch $@
	@echo 'installed $*' >&2

$(COMMAND): .venvs/command/installed $(shell find cli layers/dropreel -type f -not -name '*.pyc') pyproject.toml template.yaml
	@.venvs/command/bin/python -m pip install --quiet --quiet --no-compile --no-deps --no-build-isolation --no-index --force-reinstall .
	@touch $@

# $(call sam_build,target,environment of samconfig.toml,interpreter whose wheels a compiled layer gets: none is Lambda's)
define sam_build
@echo 'building for $1 with sam build ...' >&2
@mkdir -p .local/logs
@LAYER_PYTHON='$3' PATH="$(CURDIR)/$(RUN)/bin:$$PATH" sam build --config-env $2 >.local/logs/sam-build-$2.log 2>&1 \
	|| { cat .local/logs/sam-build-$2.log >&2; echo "sam build failed; its log is .local/logs/sam-build-$2.log" >&2; exit 1; }
@touch $@
endef

$(BUILT): $(RUN)/installed $(SOURCES)
	$(call sam_build,AWS,default)

# The local cloud runs the functions in its own interpreter.
$(BUILT_LOCAL): $(LOCAL_CLOUD) $(SOURCES)
	$(call sam_build,the local cloud,local,$(CURDIR)/$(ENGINE)/bin/python)
