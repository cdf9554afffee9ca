package pluginhost

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxWords is how many bytes of one line of a process are shown as why it ended.
const maxWords = 200

// words are what a process wrote that tells why it ended, or what it is. It is safe for concurrent use.
type words struct {
	mu    sync.Mutex
	first []byte // the first line of its standard output that is not empty, where a handshake belongs
	whole bool   // it has come to its end
	crash string // where a crash begins in its standard error
	last  string // the last line there that is no entry of the SDK's log
}

// Write takes standard output.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := p
	for !w.whole && len(rest) > 0 {
		line, more, ended := bytes.Cut(rest, []byte("\n"))
		w.first = append(w.first, line[:min(len(line), maxWords-len(w.first))]...)
		w.whole = ended && len(bytes.TrimSpace(w.first)) > 0 || len(w.first) == maxWords
		if ended && !w.whole {
			w.first = w.first[:0]
		}
		rest = more
	}
	return len(p), nil
}

// crashLine is where Go begins to tell of a crash in standard error.
var crashLine = regexp.MustCompile(`^(panic: |fatal error: |SIG[A-Z0-9]+: )`)

// wrote takes a line of standard error.
func (w *words) wrote(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	line = line[:min(len(line), 2*maxWords)]
	if w.crash == "" && crashLine.MatchString(line) {
		w.crash = line
	}
	w.last = line
}

// output is the first line of standard output, "" where it wrote none.
func (w *words) output() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tunnel.Clean(string(bytes.TrimSpace(w.first)), maxWords)
}

// why is how the process failed, by its own words, "" where it told of no crash.
func (w *words) why() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tunnel.Clean(w.crash, maxWords)
}

// lastLine is the last line of standard error, "" where there is none.
func (w *words) lastLine() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return tunnel.Clean(w.last, maxWords)
}

// signalOf is the signal that ended a process, 0 where none did.
func signalOf(exit error) unix.Signal {
	var e *exec.ExitError
	if !errors.As(exit, &e) {
		return 0
	}
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// how says how an ended process ended, by what it wrote where that tells it.
func (p *process) how() string {
	<-p.exited
	p.logged.Wait()
	exit := "by itself"
	if p.exit != nil {
		exit = p.exit.Error()
	}
	if sig := signalOf(p.exit); sig != 0 {
		exit = "killed by signal " + unix.SignalName(sig)
	}
	crash, last := p.words.why(), p.words.lastLine()
	switch {
	case crash != "":
		return fmt.Sprintf("%s (%s)", crash, exit)
	case last != "" && errors.As(p.exit, new(*exec.ExitError)):
		return fmt.Sprintf("%s; the last it wrote is %q", exit, last)
	}
	return exit
}
