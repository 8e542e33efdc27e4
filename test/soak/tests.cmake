# The soak (./dev soak MINUTES), and a few seconds of it as a test.
add_executable(csp_soak soak/main.cpp soak/round.cpp soak/scene.cpp soak/channels.cpp soak/locks.cpp soak/tasks.cpp
  soak/network.cpp soak/schedulers.cpp
  support/footprint.cpp support/heap.cpp support/scale.cpp support/time_limit.cpp)
csp_own_target(csp_soak)
target_link_libraries(csp_soak PRIVATE csp_under_test)
set_target_properties(csp_soak PROPERTIES OUTPUT_NAME soak)

add_test(NAME soak.smoke COMMAND csp_soak --seconds 5)
csp_test_properties(soak.smoke stress)
