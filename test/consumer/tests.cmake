# ctest tests of the installed package, one for each kind of library: check.cmake installs it, and builds and runs the
# project of this folder with it. The kind that is not the present build's is built for the purpose.
foreach(kind IN ITEMS static shared)
  set(shared OFF)
  if(kind STREQUAL "shared")
    set(shared ON)
  endif()
  set(library_dir ${PROJECT_BINARY_DIR})
  if((shared AND NOT BUILD_SHARED_LIBS) OR (BUILD_SHARED_LIBS AND NOT shared))
    set(library_dir ${PROJECT_BINARY_DIR}/consumer/${kind}/library)
  endif()
  add_test(NAME consumer.${kind}
           COMMAND ${CMAKE_COMMAND} -D SOURCE_DIR=${PROJECT_SOURCE_DIR} -D LIBRARY_DIR=${library_dir}
                   -D WORK_DIR=${PROJECT_BINARY_DIR}/consumer/${kind} -D SHARED=${shared}
                   -D PRESENT_DIR=${PROJECT_BINARY_DIR} -D GENERATOR=${CMAKE_GENERATOR}
                   -D COMPILER=${CMAKE_CXX_COMPILER} -D BUILD_TYPE=${CMAKE_BUILD_TYPE}
                   -P ${CMAKE_CURRENT_LIST_DIR}/check.cmake)
  csp_test_properties(consumer.${kind} consumer)
  set_tests_properties(consumer.${kind} PROPERTIES TIMEOUT 600)  # it compiles
endforeach()
