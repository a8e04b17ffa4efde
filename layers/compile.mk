# Lambda cannot keep what it compiles. Where the runtime's own Python is at hand, a layer brings its compiled files along:
# with the paths that they have in Lambda, and valid for as long as the source has the same hash.
# `sam build` calls a layer's Makefile where it stands, so it can include this one: $(compile) is the last line of its recipe.
define compile
@for python in python3 python3.13; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null || continue; \
	env -u PYTHONPYCACHEPREFIX "$$python" -m compileall -q -j 0 --invalidation-mode checked-hash \
		-s "$(ARTIFACTS_DIR)" -p /opt "$(ARTIFACTS_DIR)/python" || exit 1; \
	break; \
done
endef
