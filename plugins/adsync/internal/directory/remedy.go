package directory

import "strings"

// Unnamed stands in remedies for the configuration whose directory it is: what finds something wrong does not know which. See
// Error.For.
const Unnamed = "adsync/CONFIGURATION"

// For is the remedy for a configuration, MODULE/NAME: what is to be typed is in full.
func (e *Error) For(configuration string) string {
	return strings.ReplaceAll(e.Remedy, Unnamed, configuration)
}

// Remedies of several errors.
var (
	remedyWord = set("--secret-stdin directory.password <FILE")
	remedyUser = "check both: " + set("directory.user=... --secret-stdin directory.password <FILE")
	remedyPin  = set("'directory.pins[]=...'") + ", what `openssl x509 -noout -fingerprint -sha256` says of it"
	show       = "culvert config show " + Unnamed
)

func set(assignment string) string { return "culvert config set " + Unnamed + " " + assignment }

// why is how to see what is wrong with the mapping to a server, or with the tunnel.
func why(server string) string {
	return strings.TrimSuffix("culvert tunnel why "+Unnamed+".site/"+server, "/")
}
