# Compiles PROGRAM with COMPILER, with and without its mistake, and judges the outcome. See CMakeLists.txt.
file(STRINGS ${PROGRAM} expectations REGEX "^// expect: ")
if(NOT expectations)
  message(FATAL_ERROR "${PROGRAM} has no line `// expect: REGEX`.")
endif()

set(ENV{LC_ALL} C)  # plain quotes, English words
set(compile ${COMPILER} -std=c++20 -Werror=unused-result -fsyntax-only -I${ROOT})
execute_process(COMMAND ${compile} -DCSP_CONTROL ${PROGRAM} RESULT_VARIABLE status ERROR_VARIABLE messages)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "Without its mistake the program must compile, and does not:\n${messages}")
endif()

execute_process(COMMAND ${compile} ${PROGRAM} RESULT_VARIABLE status ERROR_VARIABLE messages)
if(status EQUAL 0)
  message(FATAL_ERROR "The program compiles, and must not.")
endif()
foreach(expectation IN LISTS expectations)
  string(REGEX REPLACE "^// expect: " "" expectation "${expectation}")
  if(NOT messages MATCHES "error: [^\n]*(${expectation})")
    message(FATAL_ERROR "No error message matches `${expectation}`:\n${messages}")
  endif()
endforeach()
