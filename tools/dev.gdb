# SPDX-License-Identifier: MIT
# What tools/dev --debug tells gdb (docs/debugging.md).
set pagination off
set confirm off
handle SIGCHLD SIGTERM SIGPIPE nostop noprint pass
handle SIGSTOP stop print nopass

define pause
  python import os, signal; os.kill(gdb.selected_inferior().pid, signal.SIGSTOP)
end
document pause
Stop the daemon that "run &" or "continue &" has started. It blocks SIGINT and reads it by a
signalfd, so that Ctrl-C ends it in order and never stops it here.
end
