// Package porttest gives tests TCP ports of this machine for servers that take their port from a file or an argument, and
// so cannot listen on one that the system chooses.
//
// A port is below those that the system hands out, and no two test processes of one user are given the same: it is still
// free when the server starts, however many tests run beside this one.
package porttest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const first, last = 20000, 31999 // Linux hands out ports from 32768 on

// Free returns a port that nobody listens on, in either family, and that nobody else is given while this process lives.
// It may be called from several tests at once.
func Free(t testing.TB) int {
	t.Helper()
	port, err := Pick()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Pick is Free for those that have no test.
func Pick() (int, error) {
	claims, err := claims()
	if err != nil {
		return 0, fmt.Errorf("claim a port: %w", err)
	}
	const all = last - first + 1
	for i, start := 0, rand.IntN(all); i < all; i++ {
		if port := first + (start+i)%all; claims.take(port) && free(port) {
			return port, nil
		}
	}
	return 0, errors.New("no port is free")
}

// free reports whether nobody listens on the port.
func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// ledger is a file of which each byte stands for a port: who has it locked has the port. The kernel forgets the locks of a
// process that ends.
type ledger struct {
	file *os.File
	mu   sync.Mutex
	mine map[int]bool
}

var claims = sync.OnceValues(func() (*ledger, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("culvert-test-ports-%d", os.Getuid()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	return &ledger{file: f, mine: map[int]bool{}}, err
})

// take claims the port, and reports false where somebody has it.
func (l *ledger) take(port int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mine[port] {
		return false
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: int64(port), Len: 1}
	l.mine[port] = unix.FcntlFlock(l.file.Fd(), unix.F_OFD_SETLK, &lock) == nil
	return l.mine[port]
}
