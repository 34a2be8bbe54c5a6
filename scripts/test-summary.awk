# Reads the output of go test -v: prints the line of every package, the output
# of tests that failed, the tests that were skipped with their reason, and the
# counts. Exits with the status of go test.

function name_of(line) {
	sub(/^ *--- [A-Z]+: /, "", line)
	sub(/ \([0-9.]+s\)$/, "", line)
	return line
}

function reset(i) {
	for (i in owner) delete owner[i]
	for (i in result) delete result[i]
	for (i in reason) delete reason[i]
	lines = 0; failed_here = 0; current = ""
}

function close_package(pkg, i) {
	if (pkg != "") sub(/^.*\/socbatch\/?/, "", pkg)
	for (i = 1; i <= lines; i++)
		if (skip_line[i]) {
			skipped++
			why = reason[owner[i]]
			skips[skipped] = owner[i] (pkg == "" ? "" : " (" pkg ")") (why == "" ? "" : ": " why)
		}
	reset()
}

BEGIN { status = 1; ended = 0; passed = failed = skipped = 0; reset() }

/^go test ended with status [0-9]+$/ { status = $NF; ended = 1; next }

/^=== (RUN|CONT|NAME|PAUSE) / { current = $3; next }

# A package is done.
/^(ok  |FAIL|---|\?   )\t/ || /^\t[^ ]+\t\tcoverage:/ {
	if ($1 == "FAIL") {
		for (i = 1; i <= lines; i++)
			if (!skip_line[i] && result[owner[i]] != "PASS" && result[owner[i]] != "SKIP") print text[i]
		# A package that does not build, or whose tests were ended.
		if (!failed_here) failed++
	}
	print
	fflush()
	close_package($2)
	next
}
/^(PASS|FAIL|exit status [0-9]+)$/ { next }

{
	lines++
	text[lines] = $0
	owner[lines] = current
	skip_line[lines] = 0
}
/^ *--- PASS: / { passed++; result[name_of($0)] = "PASS"; owner[lines] = name_of($0) }
/^ *--- FAIL: / { failed++; failed_here++; result[name_of($0)] = "FAIL"; owner[lines] = name_of($0) }
/^ *--- SKIP: / {
	owner[lines] = name_of($0)
	result[owner[lines]] = "SKIP"
	skip_line[lines] = 1
}
# The last thing that a test says before it is skipped is the reason.
/^ +[A-Za-z0-9_.-]+\.go:[0-9]+: / {
	said = $0
	sub(/^ +[A-Za-z0-9_.-]+\.go:[0-9]+: /, "", said)
	reason[current] = said
}

END {
	if (lines > 0) # the output broke off
		for (i = 1; i <= lines; i++) print text[i]
	if (skipped > 0) {
		print ""
		print "skipped:"
		for (i = 1; i <= skipped; i++) print "  " skips[i]
	}
	if (!ended) print "the tests were broken off"
	print ""
	print passed " passed, " failed " failed, " skipped " skipped"
	exit status
}
