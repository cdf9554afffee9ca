package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestWhyAServiceDidNotTakeAConnection(t *testing.T) {
	refused := &tunnel.StatusError{Reason: tunnel.ModuleMissing, Message: "the module does not run", Remedy: "start it"}
	cases := []struct {
		err    error
		reason tunnel.Reason
	}{
		{os.NewSyscallError("connect", syscall.ECONNREFUSED), tunnel.TargetRefused},
		{&fs.PathError{Op: "connect", Path: "/run/x", Err: syscall.ENOENT}, tunnel.TargetRefused},
		{os.NewSyscallError("connect", syscall.EHOSTUNREACH), tunnel.TargetUnreachable},
		{os.ErrDeadlineExceeded, tunnel.TargetUnreachable},
		{errors.New("odd"), tunnel.TargetUnreachable},
		{fmt.Errorf("dial: %w", refused), tunnel.ModuleMissing},
	}
	for _, c := range cases {
		if f := unserved(c.err); f.Reason != c.reason || f.Message == "" || f.Remedy == "" {
			t.Errorf("%v: %+v, want %s", c.err, f, c.reason)
		}
	}
}
