package sandbox

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
)

// The fields of the portal's Update Profile. What is set of a profile is kept as a map: a
// text as a string, a country as a json.Number, a switch as a bool.

// nexudusField is the rule of one field.
type nexudusField struct {
	kind     nexudusKind
	nullable bool
}

type nexudusKind int

const (
	nexudusText nexudusKind = iota
	nexudusName             // a text that is not empty
	nexudusMail             // an address of e-mail, or empty
	nexudusDay              // YYYY-MM-DD
	nexudusBool
	nexudusNumber // of a country
)

// nexudusFields are all fields but the passwords.
var nexudusFields = func() map[string]nexudusField {
	fields := map[string]nexudusField{
		"FullName": {kind: nexudusName}, "BillingEmail": {kind: nexudusMail}, "DateOfBirth": {nexudusDay, true},
		"CountryId": {kind: nexudusNumber}, "BillingCountryId": {kind: nexudusNumber},
	}
	for _, name := range []string{"Gender", "Address", "PostCode", "CityName", "State", "BillingName", "TaxIDNumber", "CompanyName", "ProfileTags"} {
		fields[name] = nexudusField{}
	}
	for _, name := range []string{"NickName", "MobilePhone", "LandLine", "BillingAddress", "BillingPostCode", "BillingCityName", "BillingState",
		"Position", "BusinessArea", "ProfileSummary", "ProfileWebsite", "Twitter", "Linkedin", "Github", "Instagram", "Facebook", "Skype", "Telegram"} {
		fields[name] = nexudusField{nullable: true}
	}
	for _, name := range []string{"ProfileIsPublic", "OnHelpDeskMsg", "OnNewWallPost", "OnNewBlogComment", "OnNewEventComment",
		"ReceiveCommunityDigest", "SignUpToNewsletter"} {
		fields[name] = nexudusField{kind: nexudusBool}
	}
	return fields
}()

// The names of the passwords.
const (
	nexudusOld    = "OldPassword"
	nexudusNew    = "NewPassword"
	nexudusRepeat = "RepeatNewPassword"
)

// nexudusTrio are the passwords of a body, when it has them.
type nexudusTrio struct{ old, new string }

var nexudusMailForm = regexp.MustCompile(`^[^\s@,]+@[^\s@,]+$`)

// check says what is wrong with a value, nothing when it is right.
func (f nexudusField) check(v any) (message string) {
	if v == nil {
		if !f.nullable {
			return "must not be null"
		}
		return ""
	}
	text, isText := v.(string)
	switch f.kind {
	case nexudusBool:
		if _, ok := v.(bool); !ok {
			return "must be true or false"
		}
	case nexudusNumber:
		n, ok := v.(json.Number)
		if !ok {
			return "must be a number"
		}
		if !nexudusIsCountry(n) {
			return "is not the number of a country"
		}
	default:
		switch {
		case !isText:
			return "must be a text"
		case f.kind == nexudusName && text == "":
			return "must not be empty"
		case f.kind == nexudusMail && text != "" && !nexudusMailForm.MatchString(text):
			return "must be an address of e-mail"
		case f.kind == nexudusDay && !isDay(text):
			return "must be a date as YYYY-MM-DD"
		}
	}
	return ""
}

// nexudusMinPassword is how many characters the portal wants of a password.
const nexudusMinPassword = 8

// nexudusPatch reads the members of a PATCH. set has every field that is given, nil for
// null; trio is there when the passwords are. wrong names every member that is not by
// the rules; when there are any, the rest means nothing. Whether the old password is the
// right one is not looked at.
func nexudusPatch(o *object) (set map[string]any, trio *nexudusTrio, wrong []detail) {
	set = map[string]any{}
	secrets := map[string]string{}
	for _, name := range o.names {
		v := o.values[name]
		if name == nexudusOld || name == nexudusNew || name == nexudusRepeat {
			text, ok := v.(string)
			if !ok {
				wrong = append(wrong, detail{name, "must be a text"})
			}
			secrets[name] = text
			continue
		}
		field, ok := nexudusFields[name]
		if !ok {
			wrong = append(wrong, detail{name, "is not a field"})
			continue
		}
		if message := field.check(v); message != "" {
			wrong = append(wrong, detail{name, message})
		}
		set[name] = v
	}
	if len(secrets) == 0 || len(wrong) > 0 {
		return set, nil, wrong
	}
	for _, name := range []string{nexudusOld, nexudusNew, nexudusRepeat} {
		if _, given := secrets[name]; !given {
			wrong = append(wrong, detail{name, "is required to change the password"})
		}
	}
	if len(wrong) > 0 {
		return set, nil, wrong
	}
	trio = &nexudusTrio{secrets[nexudusOld], secrets[nexudusNew]}
	switch {
	case codePoints(trio.new) < nexudusMinPassword:
		wrong = append(wrong, detail{nexudusNew, "must have at least 8 characters"})
	case secrets[nexudusRepeat] != trio.new:
		wrong = append(wrong, detail{nexudusRepeat, "must be the same as NewPassword"})
	case trio.old == trio.new:
		wrong = append(wrong, detail{nexudusNew, "must be another than OldPassword"})
	}
	return set, trio, wrong
}

// nexudusRead is a profile as the edit page gets it, without its Id: every field, null
// for what is not set and for a country, "" or false for what cannot be null.
func nexudusRead(set map[string]any) map[string]any {
	data := map[string]any{}
	for name, field := range nexudusFields {
		v, given := set[name]
		if !given && !field.nullable {
			switch field.kind {
			case nexudusBool:
				v = false
			case nexudusNumber:
			default:
				v = ""
			}
		}
		data[name] = v
	}
	return data
}

// nexudusMerged is what is set of a profile after a PATCH.
func nexudusMerged(before, set map[string]any) map[string]any {
	after := map[string]any{}
	maps.Copy(after, before)
	for name, v := range set {
		if v == nil {
			delete(after, name)
		} else {
			after[name] = v
		}
	}
	return after
}

var hexText = regexp.MustCompile(`^[0-9a-f]{32,64}$`)

// nexudusKept says whether a state can have the value under the name: a profile, the
// name of the active one, or the hash of the password.
func nexudusKept(name string, v any) bool {
	switch name {
	case nexudusActive:
		return v == nil || slices.Contains(nexudusProfiles, v)
	case nexudusPassword:
		m, _ := v.(map[string]any)
		salt, _ := m["salt"].(string)
		hash, _ := m["hash"].(string)
		return len(m) == 2 && hexText.MatchString(salt) && hexText.MatchString(hash)
	}
	m, ok := v.(map[string]any)
	if !slices.Contains(nexudusProfiles, any(name)) || !ok && v != nil {
		return false
	}
	for n, value := range m {
		if field, known := nexudusFields[n]; !known || value == nil || field.check(value) != "" {
			return false
		}
	}
	return true
}
