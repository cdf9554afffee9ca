package adapter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// WayOut is what to type where err is that the files of the PBX cannot be opened or written, and "" for any other error. ref
// is MODULE/CONFIGURATION.
func WayOut(err error, ref string) string {
	var e *files.Error
	if !errors.As(err, &e) {
		return ""
	}
	dir := tunnel.Clean(e.Dir, 200)
	switch {
	case errors.Is(err, syscall.EACCES):
		return ungranted(dir, ref)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room there: df -h " + dir
	case errors.Is(err, syscall.EROFS):
		return "mount that file system for writing: findmnt -T " + dir
	case errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("see whether it may not be changed, an i: lsattr -d %[1]s; then chattr -i %[1]s", dir)
	}
	return "see what is there: ls -ld " + dir
}

// ungranted is how a module comes to a directory to which it has no right: nothing else keeps a module of root's out.
func ungranted(dir, ref string) string {
	module, _, _ := strings.Cut(ref, "/")
	root := grantable(dir)
	if root == "" {
		return fmt.Sprintf("choose a directory that it may be granted: culvert config set %s pbx.dir=%s", ref, filepath.Join(SharedDir, "users"))
	}
	grant := tunnel.GrantLine(tunnel.Owner(module), tunnel.Grant("write "+root))
	if _, err := os.Stat(root); errors.Is(err, os.ErrNotExist) {
		return fmt.Sprintf("mkdir -p %s && %s; where that is granted already: culvert module restart %s", root, grant, module)
	}
	return grant
}

// grantable is the directory among those of Grants that holds dir, or "".
func grantable(dir string) string {
	for _, root := range []string{AsteriskDir, SharedDir} {
		if dir == root || strings.HasPrefix(dir, root+"/") {
			return root
		}
	}
	return ""
}
