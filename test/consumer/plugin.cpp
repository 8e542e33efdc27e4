// A library of somebody else's: it blocks in read(2).
#include <unistd.h>

extern "C" int read_a_byte(int fd) {
  char byte = 0;
  return read(fd, &byte, 1) == 1 ? byte : -1;
}
