package adapter

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
)

// Whoever has no right to a directory is told how to get it, and whoever cannot write there why.
func TestWayOut(t *testing.T) {
	grant := "culvert module grant adsync write " + SharedDir
	if _, err := os.Stat(SharedDir); err != nil {
		grant = "mkdir -p " + SharedDir + " && " + grant + "; where that is granted already: culvert module restart adsync"
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&files.Error{Dir: SharedDir + "/users", Is: "opened", Err: &os.PathError{Op: "mkdir", Path: SharedDir, Err: syscall.EACCES}}, grant},
		{&files.Error{Dir: SharedDir, Is: "opened", Err: syscall.EACCES}, grant},
		{&files.Error{Dir: SharedDir + "s", Is: "opened", Err: syscall.EACCES},
			"choose a directory that it may be granted: culvert config set adsync/main pbx.dir=/srv/culvert/users"},
		{&files.Error{Dir: "/d", Is: "written", Err: syscall.EPERM}, "see whether it may not be changed, an i: lsattr -d /d; then chattr -i /d"},
		{&files.Error{Dir: "/d", Is: "written", Err: syscall.EROFS}, "mount that file system for writing: findmnt -T /d"},
		{&files.Error{Dir: "/d", Is: "written", Err: syscall.ENOSPC}, "make room there: df -h /d"},
		{&files.Error{Dir: "/d", Is: "opened", Err: syscall.ENOTDIR}, "see what is there: ls -ld /d"},
		{pbx.ErrBusy, ""},
	} {
		if got := WayOut(fmt.Errorf("open: %w", c.err), "adsync/main"); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
