// Package directory reads the people of a directory, Active Directory or OpenLDAP, and asks it whether a password is
// right. The module adsync calls it, with connections that lead through a tunnel.
//
// It never follows a referral (that would leave the tunnel), always reads page by page, never sends a password that is
// empty or unencrypted unless the operator chose that, and takes what a server says as untrusted: every answer is bounded
// by the limits below. An answer that was cut off is an error and never a shorter answer.
package directory

import (
	"context"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Limits of what a server may say.
const (
	PageSize     = 500     // entries of one answer; Active Directory gives at most 1000
	MaxPeople    = 100_000 // persons read in all
	maxGroups    = 10_000  // groups gone through for one
	maxMembers   = 200_000 // members of one group
	maxMessage   = 16 << 20
	maxValues    = 32  // of one attribute
	maxText      = 256 // characters of a value
	answerLimit  = 30 * time.Second
	connectLimit = 10 * time.Second
)

// What the library takes as one message is as long as the other end says, unless told otherwise.
func init() { ber.MaxPacketLengthBytes = maxMessage }

// Kind is the sort of a directory.
type Kind string

// The kinds there are.
const (
	ActiveDirectory Kind = "active-directory"
	OpenLDAP        Kind = "openldap"
)

// Security is how a connection is encrypted.
type Security string

// The ways there are. None is for directories that offer nothing else; the password goes in the clear then.
const (
	LDAPS    Security = "ldaps"
	StartTLS Security = "starttls"
	None     Security = "none"
)

// Config is a directory and how it is spoken to.
type Config struct {
	Kind     Kind
	Security Security
	Trust    Trust
	User     string // whom to bind as: a DN, user@domain or DOMAIN\user
	Password string
	Base     string   // what all is below; empty: what the server says
	People   []string // below what persons are searched; empty: Base
	Direct   bool     // persons directly below these alone
	Fields   Fields   // over those of the kind
}

// Server is one of the servers of a directory: domain controllers of one domain, say.
type Server struct {
	Name string // for people: "dc1-ldaps"
	Dial func(context.Context) (net.Conn, error)
}
