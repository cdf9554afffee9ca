package sandbox

import (
	"path/filepath"
	"slices"
	"strings"
)

// allowance is a path and the rights to it and to all that lies below.
type allowance struct {
	path   string
	rights uint64
}

// opened is the same for a descriptor.
type opened struct {
	fd     int
	rights uint64
}

// What every module may read of the machine: what a resolver, a TLS client, a time zone and a dynamic loader need.
// Nothing of /proc: a rule on it is lost when the kernel drops the inode. Of /etc/ssl not all: keys lie beside the
// certificates.
var readable = []string{
	"/usr", "/lib", "/lib32", "/lib64",
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/localtime", "/etc/ld.so.cache",
	"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem", // Debian and SUSE
	"/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted", // and Red Hat
	"/dev/urandom",
}

// runnable is where the machine's programs are, and what they are made of.
var runnable = []string{"/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin"}

// Readable is the place that modules may read without a grant and that path is or lies below, "" where there is none.
// path is absolute and leads through no symbolic link.
func Readable(path string) string {
	for _, place := range slices.Concat(readable, runnable) {
		real, err := filepath.EvalSymlinks(place)
		if err == nil && (path == real || strings.HasPrefix(path, real+"/")) {
			return place
		}
	}
	return ""
}

// granted are the rights to what the operator granted.
func granted(p Plan) []opened {
	var all []opened
	for _, fd := range p.Read {
		all = append(all, opened{fd, readFile | list})
	}
	for _, fd := range p.Write {
		all = append(all, opened{fd, writeFile | readFile | list | remove | makeDir | makeFile | refer})
	}
	return all
}

// allowances are all other rights that the plan means.
func allowances(p Plan) []allowance {
	var all []allowance
	add := func(rights uint64, paths ...string) {
		for _, path := range paths {
			all = append(all, allowance{path, rights})
		}
	}
	add(readFile|list, readable...)
	add(readFile|writeFile, "/dev/null")
	add(writeFile|readFile|list|remove|makeDir|makeFile|makeSock|makeLink|refer, p.Own...)
	add(writeFile|readFile|list|remove|makeFile|makeSock, p.Wire...)
	add(list|remove|makeSock, p.Listeners...)
	if p.Programs {
		add(execute|readFile|list, runnable...)
	}
	return all
}
