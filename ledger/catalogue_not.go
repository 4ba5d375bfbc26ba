package ledger

// NotField is a name in a provider's request that is no field of a profile.
type NotField struct {
	Provider string
	As       string // the path in the provider's request
	Why      string
}

// NotFields lists every name that a provider documents for its request and that the
// catalogue leaves out on purpose.
func NotFields() []NotField {
	const (
		password  = "a password is a secret, passed through once and never an event"
		address   = "it says whose profile the request is about, and comes from the connection"
		entry     = "it names an entry there; the sink knows it by the item's id"
		deletion  = "deprecated: LinkedIn takes only its deletion, so there is no value to keep"
		preferred = "the preferred locale is that of the plain field; the others are locale variants"
	)
	return []NotField{
		{PostPress, "type", address},
		{PostPress, "account_id", address},
		{PostPress, "experience[id]", entry},
		{PostPress, "education[id]", entry},
		{LinkedIn, "associations", deletion},
		{LinkedIn, "specialties", deletion},
		{LinkedIn, "legacyHonors", deletion},
		{LinkedIn, "preferredLocale", preferred},
		{Nexudus, "OldPassword", password},
		{Nexudus, "NewPassword", password},
		{Nexudus, "RepeatNewPassword", password},
		{Jarvi, "id", address},
		{Jarvi, "externalId", address},
	}
}
