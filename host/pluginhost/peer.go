package pluginhost

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Present reports whether pid is the process that the module runs as now: not one that is only starting or describes
// itself, not one that has ended, and none that the module started. This is the one judgement of who may use a socket
// between host and module.
func (h *Host) Present(name tunnel.Owner, pid int) bool {
	m := h.lookup(name)
	if m == nil || pid <= 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process != nil && m.process.process.living() == pid
}

// CheckPeer says why the other end of a unix socket is not the module's present process: that is who connected or, for one
// that was dialled, who made the listener.
func (h *Host) CheckPeer(name tunnel.Owner, c net.Conn) error {
	return checkPeer(c, name, func(pid int) bool { return h.Present(name, pid) })
}

// checkPeer is the same by another judgement of the process.
func checkPeer(c net.Conn, name tunnel.Owner, present func(pid int) bool) error {
	pid, err := peerPID(c)
	if err == nil && !present(pid) {
		err = fmt.Errorf("process %d is not module %s", pid, name)
	}
	return err
}

// peerPID is the process at the other end of a unix socket, 0 where it is in another namespace.
func peerPID(c net.Conn) (int, error) {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("a connection by %s has no process at its end", c.RemoteAddr().Network())
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Pid), nil
}
