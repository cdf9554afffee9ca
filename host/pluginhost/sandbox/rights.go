package sandbox

// allowance is a path and the rights to it and to all that lies below.
type allowance struct {
	path   string
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

// allowances are all rights that the plan means.
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
	add(writeFile|readFile|list|remove|makeFile|makeSock, p.Sockets...)
	add(readFile|list, p.Read...)
	add(writeFile|readFile|list|remove|makeDir|makeFile|refer, p.Write...)
	if p.Programs {
		add(execute|readFile|list, runnable...)
	}
	return all
}
