package porttest

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestNobodyElseIsGivenAPort: not in this process, and not in another.
func TestNobodyElseIsGivenAPort(t *testing.T) {
	const many = 200
	if os.Getenv("PORTTEST_CHILD") != "" {
		for range many {
			os.Stdout.WriteString("port " + strconv.Itoa(Free(t)) + "\n")
		}
		return
	}
	given := map[string]bool{}
	for range many {
		given[strconv.Itoa(Free(t))] = true
	}
	child := exec.Command(os.Args[0], "-test.run", t.Name())
	child.Env = append(os.Environ(), "PORTTEST_CHILD=1")
	out, err := child.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if port, ok := strings.CutPrefix(strings.TrimSpace(line), "port "); ok {
			if given[port] {
				t.Errorf("port %s was given twice", port)
			}
			given[port] = true
		}
	}
	if len(given) != 2*many {
		t.Errorf("%d ports were given, want %d", len(given), 2*many)
	}
}

// TestAPortInUseIsNotGiven: its claim says nothing of who listens already.
func TestAPortInUseIsNotGiven(t *testing.T) {
	if free(Free(t)) != true {
		t.Error("a port that was given is in use")
	}
	l, err := claims()
	if err != nil {
		t.Fatal(err)
	}
	port := Free(t)
	if l.take(port) {
		t.Errorf("port %d can be taken again", port)
	}
}
