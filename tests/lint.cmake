# Checks of the sources that need no compiler.
foreach(check layers claims readme lint_test)
    add_test(NAME ${check} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/${check}.sh)
    set_tests_properties(${check} PROPERTIES LABELS lint TIMEOUT 120)
endforeach()
