package template

import "github.com/culvert-pbx/culvert/sdk/tunnel"

// What a template may be.
var (
	expose  = []tunnel.Kind{tunnel.Expose}
	exposed = []tunnel.Kind{tunnel.Expose, tunnel.ExposeGateway}
	reach   = []tunnel.Kind{tunnel.Reach}
	reached = []tunnel.Kind{tunnel.Reach, tunnel.ReachGateway}
)

const (
	noVoice  = "signalling only: RTP is not carried, so there is no voice"
	nameTLS  = "the certificate names another host than the one the browser or client connects to"
	needHost = "the client has to verify the certificate against the server's own name"
	noDriver = "no module brings a driver for it"
)

// catalogue is All. The ports of the other side are high where the service's own one needs raised rights or is taken by a
// service that a PBX or a site usually has.
var catalogue = []Template{
	{ID: "ssh", Title: "SSH console", Group: PBX, Kinds: exposed, Ports: ports("ssh", 22, 2222), ExposesLAN: true, Probe: Banner},
	{ID: "web", Title: "Web interface, HTTP", Group: PBX, Kinds: exposed, Ports: ports("web", 80, 8080), Probe: TCP, Notes: notes("the REST interface of STARFACE too")},
	{ID: "web-tls", Title: "Web interface, HTTPS", Group: PBX, Kinds: exposed, Ports: ports("web-tls", 443, 8443), Probe: TLS, Notes: notes(nameTLS)},
	{ID: "ami", Title: "Asterisk Manager (AMI)", Group: PBX, Kinds: exposed, Ports: ports("ami", 5038, 5038), Probe: Banner, Notes: notes("better use the tapi module, which lets through only what TAPI needs")},
	{ID: "ami-tls", Title: "Asterisk Manager (AMI) with TLS", Group: PBX, Kinds: exposed, Ports: ports("ami-tls", 5039, 5039), Probe: TLS},
	{ID: "ari", Title: "Asterisk HTTP: ARI, metrics, provisioning", Group: PBX, Kinds: expose, Ports: ports("ari", 8088, 18088), Probe: TCP, Notes: notes("it is the whole HTTP server of Asterisk")},
	{ID: "ari-tls", Title: "Asterisk HTTPS: ARI, metrics, provisioning", Group: PBX, Kinds: expose, Ports: ports("ari-tls", 8089, 18089), Probe: TLS, Notes: notes("it is the whole HTTP server of Asterisk")},
	{ID: "agi", Title: "FastAGI", Group: PBX, Kinds: expose, Ports: ports("agi", 4573, 14573), Probe: TCP, Notes: notes("rarely useful")},
	{ID: "postgresql", Title: "PostgreSQL of the PBX", Group: PBX, Kinds: exposed, Ports: ports("postgresql", 5432, 15432), Probe: TCP},
	{ID: "mariadb", Title: "MariaDB or MySQL of the PBX", Group: PBX, Kinds: exposed, Ports: ports("mariadb", 3306, 13306), Probe: Banner},
	{ID: "xmpp", Title: "XMPP clients, UCI and CTI", Group: PBX, Kinds: exposed, Ports: ports("xmpp", 5222, 5222), Probe: TCP, Notes: notes("old clients with TLS from the start use port 5223")},
	{ID: "bosh", Title: "XMPP over HTTP (BOSH) of Openfire", Group: PBX, Kinds: exposed, Ports: append(ports("bosh", 7070, 7070), ports("bosh-tls", 7443, 7443)...), Probe: TCP, Notes: notes("two mappings: HTTP and HTTPS")},
	{ID: "openfire", Title: "Openfire administration", Group: PBX, Kinds: expose, Ports: ports("openfire", 9090, 19090), Probe: TCP, Notes: notes("a Prometheus server likes to have port 9090 too")},
	{ID: "openfire-tls", Title: "Openfire administration with TLS", Group: PBX, Kinds: expose, Ports: ports("openfire-tls", 9091, 19091), Probe: TLS, Notes: notes(nameTLS)},
	{ID: "node", Title: "Prometheus node exporter", Group: PBX, Kinds: exposed, Ports: ports("node", 9100, 9100), Probe: TCP},
	{ID: "prom", Title: "Prometheus interface", Group: PBX, Kinds: expose, Ports: ports("prom", 9090, 29090), Probe: TCP},
	{ID: "checkmk", Title: "Check_MK agent", Group: PBX, Kinds: exposed, Ports: ports("checkmk", 6556, 6556), Probe: Banner, Notes: notes("plain or with TLS, as the agent is set up")},
	{ID: "nrpe", Title: "Nagios NRPE", Group: PBX, Kinds: exposed, Ports: ports("nrpe", 5666, 5666), Probe: TCP},
	{ID: "sip-tcp", Title: "SIP over TCP", Group: PBX, Kinds: exposed, Ports: ports("sip-tcp", 5060, 5060), UDPPart: true, Probe: TCP, Notes: notes(noVoice)},
	{ID: "sip-tls", Title: "SIP over TLS", Group: PBX, Kinds: exposed, Ports: ports("sip-tls", 5061, 5061), UDPPart: true, Probe: TLS, Notes: notes(noVoice)},
	{ID: "verbund", Title: "PBX interconnection (STARFACE Anlagenverbund)", Group: PBX, Kinds: exposed, Ports: ports("verbund", 3090, 3090), UDPPart: true, Probe: TCP},
	{ID: "prov", Title: "STARFACE auto-provisioning", Group: PBX, Kinds: exposed, Ports: ports("prov", 50080, 50080), Probe: TCP},
	{ID: "prov-tls", Title: "STARFACE auto-provisioning with TLS", Group: PBX, Kinds: exposed, Ports: ports("prov-tls", 50081, 50081), Probe: TLS, Notes: notes(nameTLS)},
	{ID: "escaux", Title: "Reseller access to an Escaux SOP (master)", Group: PBX, Kinds: exposed, Ports: append(ports("escaux-ssh", 22, 10022), ports("escaux-http", 80, 10080)...), ExposesLAN: true, Probe: TCP,
		Notes: notes("two mappings: SSH and HTTP", "add the application port yourself: it has no default")},
	{ID: "escaux-clone", Title: "Reseller access to an Escaux SOP (clone)", Group: PBX, Kinds: exposed, Ports: append(ports("escaux-clone-ssh", 22, 10122), ports("escaux-clone-http", 80, 10180)...), ExposesLAN: true, Probe: TCP,
		Notes: notes("two mappings: SSH and HTTP", "add the application port yourself: it has no default")},

	{ID: "ldap", Title: "LDAP, Active Directory", Group: Site, Kinds: reached, Ports: ports("ldap", 1389, 389), UDPPart: true, Probe: TCP},
	{ID: "ldaps", Title: "LDAP with TLS", Group: Site, Kinds: reached, Ports: ports("ldaps", 1636, 636), Probe: TLS, Notes: notes(needHost)},
	{ID: "gc", Title: "Global catalog of Active Directory", Group: Site, Kinds: reached, Ports: ports("gc", 3268, 3268), Probe: TCP},
	{ID: "gc-tls", Title: "Global catalog with TLS", Group: Site, Kinds: reached, Ports: ports("gc-tls", 3269, 3269), Probe: TLS, Notes: notes(needHost)},
	{ID: "kerberos", Title: "Kerberos over TCP", Group: Site, Kinds: reach, Ports: ports("kerberos", 1088, 88), UDPPart: true, Probe: TCP, Notes: notes("the client's realm has to name this port")},
	{ID: "kpasswd", Title: "Kerberos password change", Group: Site, Kinds: reach, Ports: ports("kpasswd", 1464, 464), UDPPart: true, Probe: TCP},
	{ID: "meta", Title: "estos MetaDirectory, LDAP", Group: Site, Kinds: reach, Ports: ports("meta", 1712, 712), Probe: TCP, Notes: notes("look up the port in its own settings")},
	{ID: "smb", Title: "Windows share (SMB)", Group: Site, Kinds: reached, Ports: ports("smb", 1445, 445), Probe: TCP, Notes: notes("without NetBIOS")},
	{ID: "sftp", Title: "SFTP", Group: Site, Kinds: reach, Ports: ports("sftp", 2022, 22), Probe: Banner},
	{ID: "mssql", Title: "Microsoft SQL Server", Group: Site, Kinds: reached, Ports: ports("mssql", 1433, 1433), UDPPart: true, Probe: TCP, Notes: notes("a named instance needs a fixed TCP port: the SQL Browser is not reached")},
	{ID: "postgresql-site", Title: "PostgreSQL", Group: Site, Kinds: reached, Ports: ports("postgresql-site", 15432, 5432), Probe: TCP},
	{ID: "mysql-site", Title: "MySQL or MariaDB", Group: Site, Kinds: reached, Ports: ports("mysql-site", 13306, 3306), Probe: Banner},
	{ID: "oracle", Title: "Oracle database", Group: Site, Kinds: reach, Ports: ports("oracle", 1521, 1521), Probe: TCP, Notes: notes(noDriver)},
	{ID: "firebird", Title: "Firebird", Group: Site, Kinds: reach, Ports: ports("firebird", 3050, 3050), Probe: TCP, Notes: notes(noDriver)},
	{ID: "http-site", Title: "HTTP, such as a CRM's interface", Group: Site, Kinds: reached, Ports: ports("http-site", 8081, 80), Probe: TCP},
	{ID: "https-site", Title: "HTTPS, such as a CRM's interface", Group: Site, Kinds: reached, Ports: ports("https-site", 8444, 443), Probe: TLS, Notes: notes(needHost)},
	{ID: "smtp", Title: "Mail relay", Group: Site, Kinds: reach, Ports: ports("smtp", 1025, 25), Probe: Banner, Notes: notes("for submission use 1587:587")},
	{ID: "syslog", Title: "Syslog over TCP and TLS", Group: Site, Kinds: reach, Ports: append(ports("syslog", 1514, 514), ports("syslog-tls", 6514, 6514)...), UDPPart: true, Probe: TCP, Notes: notes("two mappings: TCP and TLS")},
	{ID: "pushgw", Title: "Prometheus push gateway", Group: Site, Kinds: reach, Ports: ports("pushgw", 19091, 9091), Probe: TCP},
	{ID: "cmk-recv", Title: "Checkmk agent receiver", Group: Site, Kinds: reach, Ports: ports("cmk-recv", 18000, 8000), Probe: TLS, Notes: notes("for registration and push")},
	{ID: "printer", Title: "Raw printing", Group: Site, Kinds: reach, Ports: ports("printer", 19100, 9100), Probe: TCP, Notes: notes("a node exporter has port 9100 too")},
}

func ports(name string, local, remote int) []Ports { return []Ports{{name, local, remote}} }

func notes(s ...string) []string { return s }
