# cmake -DPROGRAM=... -DEXPECTED=... [-DEMULATOR=...] -P check_output.cmake
#
# Runs PROGRAM (by EMULATOR, a command with its arguments as a list) on 1, 2, 4 and 8 processors. Fails unless it ends with status 0, writes nothing to stderr, and writes to
# stdout exactly what the file EXPECTED holds.
file(READ "${EXPECTED}" expected)
foreach(processors IN ITEMS 1 2 4 8)
  set(ENV{CSP_PROCESSORS} ${processors})
  execute_process(COMMAND ${EMULATOR} ${PROGRAM}
      OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status TIMEOUT 60)
  if(NOT status STREQUAL "0" OR NOT errors STREQUAL "" OR NOT output STREQUAL expected)
    message(FATAL_ERROR
        "On ${processors} processors: exit status ${status}.\n"
        "stderr:\n${errors}\n"
        "stdout:\n${output}\n"
        "expected:\n${expected}")
  endif()
endforeach()
