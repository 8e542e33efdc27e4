# Installs libcsp from LIBRARY_DIR (built first when that is not PRESENT_DIR, the build that runs this test) into a fresh
# tree below WORK_DIR, and configures, builds and runs the consumer project against it. See tests.cmake.
set(prefix ${WORK_DIR}/installed)
set(consumer ${WORK_DIR}/build)
file(REMOVE_RECURSE ${prefix} ${consumer})

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(settings -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=${BUILD_TYPE})
if(NOT LIBRARY_DIR STREQUAL PRESENT_DIR)
  run(${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${LIBRARY_DIR} ${settings} -D BUILD_SHARED_LIBS=${SHARED}
      -D CSP_BUILD_TESTS=OFF -D CSP_BUILD_EXAMPLES=OFF -D CSP_BUILD_BENCH=OFF)
  run(${CMAKE_COMMAND} --build ${LIBRARY_DIR})
endif()
run(${CMAKE_COMMAND} --install ${LIBRARY_DIR} --prefix ${prefix})

# Once is enough for the headers, which are the same.
set(check_headers ON)
if(SHARED)
  set(check_headers OFF)
endif()
# Only the installed tree may serve: a header that was not installed must not be found in the repository.
run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/test/consumer -B ${consumer} ${settings} -D CMAKE_PREFIX_PATH=${prefix}
    -D CONSUMER_CHECK_HEADERS=${check_headers})
run(${CMAKE_COMMAND} --build ${consumer})
run(${consumer}/consumer)
run(${consumer}/hooked ${consumer}/libblocking_plugin.so)

# No third party's header may be needed to use the facade.
if(check_headers)
  execute_process(COMMAND ${COMPILER} -std=c++20 -M -I${prefix}/include/csp ${SOURCE_DIR}/test/consumer/main.cpp
                  OUTPUT_VARIABLE included COMMAND_ERROR_IS_FATAL ANY)
  if(included MATCHES "[^ \n]*/(boost|fmt|concurrentqueue)/[^ \n]*")
    message(FATAL_ERROR "<libcsp/csp.h> includes ${CMAKE_MATCH_0}.")
  endif()
endif()
