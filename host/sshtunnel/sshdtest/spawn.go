package sshdtest

import (
	"os/exec"
	"runtime"
)

// spawn starts cmd, which is to die with this process, and returns what waits for its end. The kernel's "die with the
// parent" means the parent's thread, and some end in tests: those on which a goroutine entered a network namespace. So the
// thread that starts a server waits for it, too: else the server would be killed in the middle of its test.
func spawn(cmd *exec.Cmd) (wait func(), err error) {
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return func() { <-ended }, <-started
}
