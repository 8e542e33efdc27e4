# Client libraries of others, unmodified, against real servers: one program for each library that is found here. Servers
# are looked for at run time.
#
# Not under TSan, which does not see how libraries that are not instrumented synchronise; not in shared builds, where the
# hooks come with the shared libcsp and the frame of the tests with its static twin.
if(CSP_SANITIZE STREQUAL "tsan" OR CMAKE_CROSSCOMPILING OR BUILD_SHARED_LIBS)
  return()
endif()

add_library(csp_test_clients OBJECT EXCLUDE_FROM_ALL
    support/crew.cpp support/time_limit.cpp support/servers/process.cpp support/servers/guard.cpp support/servers/server.cpp
    support/servers/black_hole.cpp support/servers/postgresql.cpp support/servers/mariadb.cpp
    support/servers/redis.cpp support/servers/nginx.cpp support/servers/dnsmasq.cpp)
csp_own_target(csp_test_clients)
target_link_libraries(csp_test_clients PUBLIC csp_under_test fmt::fmt Catch2::Catch2)

# csp_add_client_test(name SOURCES file... HEADERS file... LIBRARIES name... PACKAGE package): one program, if all headers
# and libraries are found.
function(csp_add_client_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PACKAGE" "SOURCES;HEADERS;LIBRARIES")
  set(folders)
  set(libraries)
  foreach(header IN LISTS arg_HEADERS)
    find_path(CSP_CLIENT_HEADER_${header} ${header} PATH_SUFFIXES postgresql mariadb)
    mark_as_advanced(CSP_CLIENT_HEADER_${header})
    list(APPEND folders ${CSP_CLIENT_HEADER_${header}})
  endforeach()
  foreach(library IN LISTS arg_LIBRARIES)
    find_library(CSP_CLIENT_LIBRARY_${library} ${library})
    mark_as_advanced(CSP_CLIENT_LIBRARY_${library})
    list(APPEND libraries ${CSP_CLIENT_LIBRARY_${library}})
  endforeach()
  if("${folders};${libraries}" MATCHES "NOTFOUND")
    message(STATUS "libcsp: no test of ${name} clients: ${arg_PACKAGE} is not installed")
    return()
  endif()
  csp_add_test(programs.clients.${name} ${arg_SOURCES} LABELS programs)
  set(target test_programs_clients_${name})
  target_include_directories(${target} SYSTEM PRIVATE ${folders})
  target_link_libraries(${target} PRIVATE csp_test_clients csp::hook ${libraries})
endfunction()

csp_add_client_test(postgresql
    SOURCES programs/clients/postgresql_test.cpp
    HEADERS libpq-fe.h LIBRARIES pq PACKAGE libpq-dev)
csp_add_client_test(mariadb
    SOURCES programs/clients/mariadb_test.cpp
    HEADERS mysql.h LIBRARIES mariadb PACKAGE libmariadb-dev)
csp_add_client_test(redis
    SOURCES programs/clients/redis_test.cpp
    HEADERS hiredis/hiredis.h LIBRARIES hiredis PACKAGE libhiredis-dev)
csp_add_client_test(curl
    SOURCES programs/clients/curl_test.cpp
    HEADERS curl/curl.h LIBRARIES curl PACKAGE libcurl4-openssl-dev)
csp_add_client_test(openssl
    SOURCES programs/clients/openssl_test.cpp programs/clients/openssl_errors_test.cpp
            programs/clients/tls_client.cpp
    HEADERS openssl/ssl.h LIBRARIES ssl crypto PACKAGE libssl-dev)
