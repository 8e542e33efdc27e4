# Test cases that leave something behind, and the test that they are found.
add_executable(csp_test_leaky EXCLUDE_FROM_ALL leftovers/leaky.cpp)
csp_own_target(csp_test_leaky)
target_link_libraries(csp_test_leaky PRIVATE csp_test_main)
target_precompile_headers(csp_test_leaky REUSE_FROM csp_test_header)

csp_add_test(leftovers leftovers/leftovers_test.cpp LABELS unit)
target_compile_definitions(test_leftovers PRIVATE CSP_TEST_LEAKY="$<TARGET_FILE:csp_test_leaky>")
add_dependencies(test_leftovers csp_test_leaky)
