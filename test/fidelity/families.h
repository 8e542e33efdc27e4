// The families of probes; each adds its own to the list.
#pragma once

#include "test/fidelity/frame.h"

namespace fidelity {

// Done by system calls, behind libc's back. These come first: no probe has forked yet.
void add_unseen_flags(probe_list& list);
void add_unseen_reuse(probe_list& list);

void add_receive(probe_list& list);        // reading: each kind, each call, each thing a peer can do
void add_receive_flags(probe_list& list);  // MSG_*, and what is left in the socket
void add_send(probe_list& list);           // writing: large, slow, cut short, broken
void add_datagrams(probe_list& list);      // messages and their addresses
void add_connect(probe_list& list);
void add_accept(probe_list& list);
void add_makers(probe_list& list);      // every call that makes a descriptor, and its flags
void add_flags(probe_list& list);       // O_NONBLOCK in all its ways, dup, fcntl, ioctl
void add_remembered(probe_list& list);  // O_NONBLOCK, set where it was found clear before
void add_options(probe_list& list);     // setsockopt, getsockopt
void add_poll(probe_list& list);
void add_select(probe_list& list);
void add_epoll(probe_list& list);
void add_sleep(probe_list& list);
void add_names(probe_list& list);     // the resolver
void add_children(probe_list& list);  // waiting for processes; fork, vfork, exec
void add_locks(probe_list& list);     // file locks, syncing
void add_files(probe_list& list);     // regular files, open, devices
void add_events(probe_list& list);    // eventfd, timerfd, inotify, signalfd, pidfd
void add_sendfile(probe_list& list);
void add_reuse(probe_list& list);      // a number that is closed and made again
void add_bad(probe_list& list);        // wrong arguments to everything
void add_fortified(probe_list& list);  // compiled with -D_FORTIFY_SOURCE=2
void add_signals(probe_list& list);    // EINTR in plain threads
void add_inherited(probe_list& list);  // descriptors older than main, standard streams

}  // namespace fidelity
