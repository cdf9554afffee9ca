package directory

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Code says what kind of thing is wrong.
type Code string

// The codes there are.
const (
	Unreachable  Code = "unreachable"      // no server answers
	TLS          Code = "tls"              // the encryption did not come about
	WrongName    Code = "wrong-name"       // the certificate is somebody else's, or names nothing
	WrongPin     Code = "wrong-pin"        // the certificate is not the pinned one
	NeedsTLS     Code = "needs-encryption" // the server takes no password in the clear
	Wrong        Code = "wrong"            // user or password
	Twice        Code = "twice"            // several people have the login
	Disabled     Code = "disabled"         // the account
	Expired      Code = "expired"          // the account
	PasswordOld  Code = "password-expired" // or it must be changed first
	Locked       Code = "locked"           // the account
	Restricted   Code = "restricted"       // by time or workstation
	EmptyWord    Code = "empty-password"   // it was not sent
	Missing      Code = "missing"          // a group or a base
	Cut          Code = "cut"              // an answer is not whole, or is more than is taken
	Refused      Code = "refused"          // by the server, for want of a right
	Unacceptable Code = "unacceptable"     // the server finds something wrong with the question
	NotAD        Code = "not-ad"           // though it is configured as Active Directory
	NotAMember   Code = "not-a-member"     // of the groups whose members may log in
)

// Error is why a directory could not be used, with what to do about it. Its texts are fit to show.
type Error struct {
	Code    Code
	Message string
	Remedy  string
	Err     error // beneath, nil where there is none
}

func (e *Error) Error() string { return e.Message }

// Unwrap is what is beneath.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of an error, "" for one that is not of a directory.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// fail makes the Error of what a library or a server said, which is quoted cleaned and cut.
func fail(c Code, err error, remedy, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	if err != nil {
		message += ": " + tunnel.Clean(err.Error(), 300)
	}
	return &Error{c, message, remedy, err}
}

// adReasons are what Active Directory writes behind "data" where it refuses a bind.
var adReasons = map[string]struct {
	code          Code
	text, wayFree string
}{
	"525": {Wrong, "there is no such user", remedyUser},
	"52e": {Wrong, "user or password wrong", remedyUser},
	"530": {Restricted, "the account may not log in at this time", "the directory's administrator can change that"},
	"531": {Restricted, "the account may not log in from here", "the directory's administrator can change that"},
	"532": {PasswordOld, "the password has expired", "let the user change it"},
	"533": {Disabled, "the account is disabled", "the directory's administrator can enable it"},
	"701": {Expired, "the account has expired", "the directory's administrator can extend it"},
	"773": {PasswordOld, "the password must be changed first", "let the user change it"},
	"775": {Locked, "the account is locked", "wait, or let the directory's administrator unlock it"},
}

var adReason = regexp.MustCompile(`\bdata ([0-9a-f]{3}),`)

// bindError says why a bind was refused.
func bindError(err error) error {
	var e *ldap.Error
	if !errors.As(err, &e) {
		return fail(Unreachable, err, "see whether the tunnel is up: "+why(""), "the bind was not answered")
	}
	switch e.ResultCode {
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired:
		return fail(NeedsTLS, nil, set("directory.security=ldaps")+", or starttls", "the directory takes passwords over encrypted connections alone")
	case ldap.ErrorEmptyPassword, ldap.LDAPResultUnwillingToPerform:
		return fail(EmptyWord, err, remedyWord, "the directory refuses the bind")
	case ldap.LDAPResultInvalidDNSyntax:
		return fail(Wrong, nil, set("directory.user=CN=reader,DC=corp,DC=example")+"; only Active Directory takes user@domain and DOMAIN\\user as well", "the user to bind as is not written as one")
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInappropriateAuthentication:
		return refusedBind(err)
	case ldap.ErrorNetwork:
		return fail(Unreachable, err, "see whether the tunnel is up: "+why(""), "the connection ended during the bind")
	}
	return fail(Refused, err, "see the directory's log", "the directory refuses the bind")
}

func refusedBind(err error) error {
	if m := adReason.FindStringSubmatch(err.Error()); m != nil {
		if r, known := adReasons[m[1]]; known {
			return &Error{r.code, r.text, r.wayFree, err}
		}
	}
	if strings.Contains(strings.ToLower(err.Error()), "account locked") {
		return &Error{Locked, "the account is locked", "wait, or let the directory's administrator unlock it", err}
	}
	return &Error{Wrong, "user or password wrong", remedyUser, err}
}

// tlsError says why the encryption did not come about.
func tlsError(err error, trust Trust) error {
	var own *Error
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &name):
		return fail(WrongName, err, set("directory.server_name=...")+", a name that is in the certificate; where it has none, pin it: "+remedyPin,
			"the certificate is not one of %q", trust.Name)
	case errors.As(err, &authority), errors.As(err, &invalid):
		return fail(TLS, err, "set directory.ca to who vouches for it, or pin it: "+remedyPin, "nobody that is trusted vouches for the certificate")
	}
	return fail(TLS, err, "check directory.security and the port of the slot: "+show, "the connection could not be encrypted")
}

// searchError says why a search failed.
func searchError(ctx context.Context, err error, base string) error {
	var e *ldap.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &e):
		return fail(Cut, err, "it is tried again with the next run", "the search was not answered")
	}
	switch e.ResultCode {
	case ldap.LDAPResultNoSuchObject:
		return fail(Missing, nil, "check how it is written, and that it is still there: "+show, "%s is not in the directory, or may not be seen by its user", tunnel.Clean(base, 200))
	case ldap.LDAPResultInvalidDNSyntax:
		return fail(Missing, nil, "write it as a DN, CN=PBX,OU=Groups,DC=corp,DC=example: "+show, "%s is not a DN", tunnel.Clean(base, 200))
	case ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return fail(Cut, err, "let the directory's administrator raise the limit for this user", "the directory gave a part of the answer alone")
	case ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultOperationsError:
		return fail(Refused, err, "give directory.user the right to read there", "the directory lets this user not search")
	case ldap.ErrorNetwork:
		return fail(Cut, err, "it is tried again with the next run", "the connection ended during a search")
	case ldap.LDAPResultFilterError, ldap.ErrorFilterCompile:
		return fail(Unacceptable, err, "mend who.filter, or the names under attributes: "+show, "the directory takes the filter for none")
	}
	return fail(Refused, err, "see the directory's log", "the directory refuses the search")
}
