# Counts test cases and prints "PASSED FAILED SKIPPED". Read in this order: ctest's LastTest.log, its JUnit file.
#
# The log has what each program printed: a Catch2 program counts its test cases, any other test counts as one. The
# JUnit file has how each ended: a program that failed without a failed case (a crash, a leak) is one failure, and
# so is one that did not run, unless it said itself that it is to be skipped.
/^[0-9]+\/[0-9]+ Testing: / { name = $3 }

/^All tests passed \(.* in [0-9]+ test cases?\)/ {
    sub(/.* in /, "")
    cases_passed[name] = $1 + 0
}
/^test cases: / {
    cases_passed[name] = 0
    for (i = 2; i < NF; i++) {
        if ($(i + 1) == "passed") cases_passed[name] = $i + 0
        if ($(i + 1) == "failed") cases_failed[name] = $i + 0
    }
}
/^(No tests ran|No test cases matched)/ { cases_passed[name] = 0 }

/^[ \t]*<testcase / {
    match($0, / name="[^"]*"/)
    name = substr($0, RSTART + 7, RLENGTH - 8)
    if (/status="run"/) passed += name in cases_passed ? cases_passed[name] : 1
    if (/status="fail"/) {
        passed += cases_passed[name]
        failed += cases_failed[name] > 0 ? cases_failed[name] : 1
    }
}
/^[ \t]*<skipped message=/ {
    if (/"SKIP_/) skipped++
    else failed++
}

END { print passed + 0, failed + 0, skipped + 0 }
