package keys

import "strings"

// Scope is a set of permissions, one bit each.
type Scope uint16

// The permissions. Writing does not include reading; Admin includes everything.
const (
	ProfileRead  Scope = 1 << iota // read profiles, resumes, files
	ProfileWrite                   // change them
	AuditRead                      // history, blame, diff, evidence
	EventsRead                     // feeds and webhooks
	ValuesRead                     // plaintext in feeds, bundles and foreign histories
	Operate                        // sinks and connections
	Admin                          // everything, on every profile
)

// All is every permission.
const All = ProfileRead | ProfileWrite | AuditRead | EventsRead | ValuesRead | Operate | Admin

var scopeNames = [...]string{"profile:read", "profile:write", "audit:read", "events:read", "values:read", "operate", "admin"}

// Names lists the set in the order of the constants.
func (s Scope) Names() []string {
	out := []string{}
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// String is the names with a comma between them.
func (s Scope) String() string { return strings.Join(s.Names(), ",") }

// ParseScope reads one name.
func ParseScope(name string) (Scope, bool) {
	for i, n := range scopeNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}
