# The services among the examples, as processes on loopback, and clients that believe nothing but their sockets.
#
# csp_add_service_test(name program... [SOURCES file...] [LABEL label]): the test name_test.cpp, which starts these
# examples.
if(NOT CSP_BUILD_EXAMPLES OR CMAKE_CROSSCOMPILING)
  return()
endif()

add_library(csp_test_services OBJECT EXCLUDE_FROM_ALL support/service.cpp support/plain_client.cpp)
csp_own_target(csp_test_services)
target_link_libraries(csp_test_services PUBLIC csp_under_test fmt::fmt Catch2::Catch2)
target_compile_definitions(csp_test_services PRIVATE CSP_TEST_EXAMPLES="${PROJECT_BINARY_DIR}/examples")

function(csp_add_service_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL" "SOURCES")
  if(NOT arg_LABEL)
    set(arg_LABEL programs)
  endif()
  csp_add_test(programs.services.${name} programs/services/${name}_test.cpp ${arg_SOURCES} LABELS ${arg_LABEL})
  set(target test_programs_services_${name})
  target_link_libraries(${target} PRIVATE csp_test_services)
  if(arg_UNPARSED_ARGUMENTS)
    add_dependencies(${target} ${arg_UNPARSED_ARGUMENTS})
  endif()
endfunction()

csp_add_service_test(http_request SOURCES ${PROJECT_SOURCE_DIR}/examples/http_server/request.cpp)
csp_add_service_test(http_server http_server)
csp_add_service_test(http_chat http_server)
csp_add_service_test(echo_server echo_server)
csp_add_service_test(tcp_proxy tcp_proxy echo_server)
csp_add_service_test(fetcher fetcher http_server)
csp_add_service_test(blocking_server blocking_server)

# Load: each runs alone.
csp_add_service_test(load_connections echo_server blocking_server LABEL stress)
csp_add_service_test(load_adverse echo_server http_server LABEL stress)
csp_add_service_test(load_descriptors echo_server http_server blocking_server LABEL stress)
csp_add_service_test(load_large_write LABEL stress)
target_link_libraries(test_programs_services_load_large_write PRIVATE csp::hook)

# Ports of callback libraries (examples/callbacks adds the programs that each needs); not under TSan, as other clients.
if(TARGET csp_test_clients)
  foreach(name IN ITEMS ares curl redis)
    csp_add_service_test(${name}_port http_server)
    target_link_libraries(test_programs_services_${name}_port PRIVATE csp_test_clients)
  endforeach()
endif()
