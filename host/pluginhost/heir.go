package pluginhost

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// heirWord is the argument that makes the daemon's binary the heir of a host; the roll follows it.
const heirWord = "__heir"

// heir is a process that outlives the host by a moment: when the host is gone, however that happened, it ends what is on
// its roll. There is one while a module may start programs, or has once.
type heir struct {
	mu    sync.Mutex
	alive *os.File      // its end is the host's; nil while there is no heir
	gone  chan struct{} // closed when the process has ended
}

// appoint starts the process, where none is there.
func (h *heir) appoint(r roll) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.alive != nil {
		return nil
	}
	wait, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	defer wait.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"culvertd", heirWord, string(r)}, Env: []string{}, Dir: "/",
		ExtraFiles: []*os.File{wait}, SysProcAttr: &syscall.SysProcAttr{Setsid: true}, // what ends the host's terminal is not for it
	}
	if err := cmd.Start(); err != nil {
		alive.Close()
		return err
	}
	h.alive, h.gone = alive, make(chan struct{})
	go h.await(cmd, h.gone)
	return nil
}

// await makes room for another one when the process has ended.
func (h *heir) await(cmd *exec.Cmd, gone chan<- struct{}) {
	_ = cmd.Wait()
	h.dismiss()
	close(gone)
}

func (h *heir) dismiss() (gone <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.alive != nil {
		h.alive.Close()
		h.alive = nil
	}
	return h.gone
}

// close dismisses the heir and returns when its process has ended.
func (h *heir) close() {
	if gone := h.dismiss(); gone != nil {
		<-gone
	}
}

// inherit is what the process does.
func inherit(r roll) {
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP) // that end the host, perhaps, which it waits for
	_, _ = io.Copy(io.Discard, os.NewFile(3, "host"))
	_, _ = r.endAll()
}
