package pluginhost

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// countedCage counts its ends.
type countedCage struct{ ended int }

func (c *countedCage) Descriptor() int { return -1 }
func (c *countedCage) End()            { c.ended++ }

// TestStartThatFailsGivesItsCageBack: also the one that fails before there is a process, for want of descriptors. No
// other test runs beside this one.
func TestStartThatFailsGivesItsCageBack(t *testing.T) {
	binary, err := os.Open("/dev/null")
	must(t, err)
	var have unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &have))
	c := &countedCage{}
	p := newProcess(t.Context(), plan{Name: "hello"}, binary, "")
	p.cage = c
	must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: have.Max}, nil))
	err = p.Start(t.Context())
	must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, &have, nil))
	if !errors.Is(err, unix.EMFILE) || c.ended != 1 {
		t.Errorf("%v, and its cage was ended %d times", err, c.ended)
	}

	// And one that fails at the fork: there is no such group to be born in.
	if binary, err = os.Open("/dev/null"); err != nil {
		t.Fatal(err)
	}
	p = newProcess(t.Context(), plan{Name: "hello"}, binary, "")
	p.cage = c
	if err := p.Start(t.Context()); err == nil || c.ended != 2 {
		t.Errorf("%v, and its cage was ended %d times", err, c.ended)
	}
}
