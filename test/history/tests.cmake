# Random histories of channel operations, judged against a model of a Go channel: the judge's own test, and the histories.
add_library(csp_test_history OBJECT EXCLUDE_FROM_ALL
  history/history.cpp history/linearizer.cpp history/scenario.cpp history/run_history.cpp history/faults.cpp)
csp_own_target(csp_test_history)
target_link_libraries(csp_test_history PUBLIC csp_under_test)

csp_add_test(history.linearizer history/linearizer_test.cpp LABELS unit)
csp_add_test(history.linearizability history/linearizability_test.cpp LABELS stress)
target_link_libraries(test_sim_linearizability PRIVATE csp_test_history)
target_link_libraries(test_history_linearizer PRIVATE csp_test_history)
target_link_libraries(test_history_linearizability PRIVATE csp_test_history)
