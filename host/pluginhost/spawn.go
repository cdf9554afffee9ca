package pluginhost

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner runs what it is given on one thread that never ends. The kernel's "die with the parent" means the parent's
// thread: a process started on a thread that the runtime ends later would be killed then.
var spawner = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go serveSpawns(jobs)
	return jobs
})

func serveSpawns(jobs <-chan func()) {
	runtime.LockOSThread()
	for job := range jobs {
		job()
	}
}

// spawn starts cmd on the spawner's thread.
func spawn(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	spawner() <- func() { done <- cmd.Start() }
	return <-done
}
