package directory

import (
	"context"
	"slices"

	"github.com/go-ldap/ldap/v3"
)

// Root is what a server says of itself.
type Root struct {
	Base string // the domain's
	Host string // the server's name in the domain, "" where it does not say
	USN  string // a hint of how far its changes are; every domain controller counts for itself
	AD   bool   // it says that it is Active Directory
}

// Root is what the server said of itself when the connection was opened.
func (c *Conn) Root() Root { return c.root }

// Base is below what all is: as configured, or as the server says.
func (c *Conn) Base() string {
	if c.config.Base != "" {
		return c.config.Base
	}
	return c.root.Base
}

// activeDirectory is the capability that every domain controller has (LDAP_CAP_ACTIVE_DIRECTORY_OID).
const activeDirectory = "1.2.840.113556.1.4.800"

// Doubt is what speaks against the configured kind, nil if nothing does. A proxy before Active Directory may not say so
// either, which is why nothing is refused for it alone.
func (c *Conn) Doubt() *Error {
	if c.config.Kind != ActiveDirectory || c.root.AD {
		return nil
	}
	return &Error{NotAD, c.Server + " is not Active Directory, or does not say so", set("directory.kind=openldap"), nil}
}

// orDoubt is err, or the doubt where that explains that something was not found. Of a login that is said beneath the
// error alone: an unknown one would differ from a wrong password.
func (c *Conn) orDoubt(err error) error {
	if doubt := c.Doubt(); doubt != nil && CodeOf(err) == Missing {
		return fail(NotAD, nil, doubt.Remedy, "%s: %v", doubt.Message, err)
	}
	return err
}

// readRoot asks the server what it is, and whether it can answer page by page.
func (c *Conn) readRoot(ctx context.Context) error {
	e, err := c.read(ctx, "", "(objectClass=*)", "defaultNamingContext", "namingContexts", "dnsHostName", "highestCommittedUSN", "supportedControl", "supportedCapabilities")
	if err != nil {
		return err
	}
	c.root = Root{Base: first(e, "defaultNamingContext"), Host: clean(first(e, "dnsHostName")), USN: clean(first(e, "highestCommittedUSN"))}
	c.root.AD = slices.Contains(e.GetEqualFoldAttributeValues("supportedCapabilities"), activeDirectory)
	if all := e.GetEqualFoldAttributeValues("namingContexts"); c.root.Base == "" && len(all) == 1 {
		c.root.Base = all[0]
	}
	if c.Base() == "" {
		return fail(Missing, nil, set("directory.base=DC=corp,DC=example"), "the directory does not say what its base is")
	}
	if controls := e.GetEqualFoldAttributeValues("supportedControl"); len(controls) > 0 && !slices.Contains(controls, ldap.ControlTypePaging) {
		return fail(Cut, nil, "use another server", "the directory cannot answer page by page")
	}
	return nil
}

// first is the first value of an attribute, "" where there is none.
func first(e *ldap.Entry, name string) string {
	if name == "" {
		return ""
	}
	if vs := e.GetEqualFoldAttributeValues(name); len(vs) > 0 {
		return vs[0]
	}
	return ""
}
