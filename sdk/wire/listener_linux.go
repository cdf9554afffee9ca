package wire

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// expectListener sees that the socket conn was dialled at is one that the process pid listens on, as the kernel noted it
// when that began. A stranger of the same user who put a socket in the host's place is refused before a byte is sent.
func expectListener(conn net.Conn, pid int) error {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("a private socket is a unix socket")
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := firstOf(err, credErr); err != nil {
		return fmt.Errorf("find out who listens on the private socket: %w", err)
	}
	if int(cred.Pid) != pid {
		return fmt.Errorf("process %d of user %d listens on the private socket, and the host is process %d: "+
			"nothing is sent there (a script that starts the module must exec it)", cred.Pid, cred.Uid, pid)
	}
	return nil
}
