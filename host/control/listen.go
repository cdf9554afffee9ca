package control

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxSocketPath is what sun_path holds on Linux, without its final zero.
const maxSocketPath = 107

// TokenFile is where the token of the daemon behind socket lies.
func TokenFile(socket string) string { return socket + ".token" }

// Listen opens the control socket (0660, its directory made 0750 if absent) and writes a new token beside it (0640).
//
// It refuses a directory that somebody else owns or may write to, since who can replace the socket or the token is the
// operator. A socket left by a dead daemon is replaced; one behind which somebody answers is an error, whoever it is.
// Closing the listener removes socket and token.
func Listen(socket string) (l net.Listener, token string, err error) {
	if len(socket) > maxSocketPath {
		return nil, "", fmt.Errorf("socket %s: the path has %d bytes and a unix socket's holds %d; choose a shorter one", socket, len(socket), maxSocketPath)
	}
	if err := ownDirectory(filepath.Dir(socket)); err != nil {
		return nil, "", err
	}
	lock, err := lockSocket(socket)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := clearStale(socket); err != nil {
		return nil, "", err
	}
	token = rand.Text() + rand.Text()
	if err := writeToken(TokenFile(socket), token); err != nil {
		return nil, "", err
	}
	ul, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, "", fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(socket, 0o660); err != nil {
		ul.Close()
		return nil, "", fmt.Errorf("control socket: %w", err)
	}
	return &listener{UnixListener: ul, token: TokenFile(socket), lock: lock}, token, nil
}

// listener takes token and lock along when it closes.
type listener struct {
	*net.UnixListener
	crowd    crowd
	isModule func(pid int) (tunnel.Owner, bool) // set before the first Accept
	token    string
	lock     *os.File
}

func (l *listener) Close() error {
	err := l.UnixListener.Close() // unlinks the socket
	if err == nil {
		os.Remove(l.token)
		l.lock.Close()
	}
	return err
}

// ownDirectory makes dir if it is absent and refuses one in which others could put a socket or token of theirs.
func ownDirectory(dir string) error {
	err := os.Mkdir(dir, 0o750)
	if err == nil {
		err = os.Chmod(dir, 0o750) // whatever the umask
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("directory of the control socket: %w; make it, or choose another --socket", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("directory of the control socket: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s, where the control socket should lie, is not a directory", dir)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || (st.Uid != uint32(os.Geteuid()) && st.Uid != 0) {
		return fmt.Errorf("%s belongs to another user, who could replace the control socket; choose a directory of the daemon's own", dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is writable by others (mode %#o), who could replace the control socket; choose a directory of the daemon's own, mode 0750", dir, info.Mode().Perm())
	}
	return nil
}

// lockSocket lets one daemon at a time own the name. The kernel drops the lock with the process.
func lockSocket(socket string) (*os.File, error) {
	f, err := os.OpenFile(socket+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, inUse(socket)
	}
	return f, nil
}

// clearStale removes what a dead daemon left at socket. It touches nothing but a socket nobody answers on.
func clearStale(socket string) error {
	info, err := os.Lstat(socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("control socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is not a socket; move it away or choose another --socket", socket)
	}
	c, err := net.DialTimeout("unix", socket, 2*time.Second)
	if err == nil {
		c.Close()
		return inUse(socket)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("control socket: %s cannot be tried: %w", socket, err)
	}
	if err := os.Remove(socket); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func inUse(socket string) error {
	return fmt.Errorf("another daemon answers on %s; stop it first, or choose another --socket", socket)
}

// writeToken puts token into path by renaming, so that no reader meets half of it and no foreign link is followed.
func writeToken(path, token string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*")
	if err != nil {
		return fmt.Errorf("control token: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(token + "\n")
	err = errors.Join(err, f.Chmod(0o640), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("control token: %w", err)
	}
	return nil
}
