// Views are made from channels; there is no way back, and none across.
// expect: conversion|could not convert|no viable
#include <libcsp/csp.h>

csp::receiver<int> program(const csp::chan<int>& channel) {
#ifdef CSP_CONTROL
  return channel;
#else
  csp::sender<int> out = channel;
  return out;
#endif
}
