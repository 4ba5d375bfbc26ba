package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// The basic fields of LinkedIn's Profile Edit. A profile is kept as a map of what is set:
// the fields as they are read here; a section as a list of its entities, the oldest
// first, each with its id; an order as a list of ids; "id" is the person's id, and
// "assets" are the registered pictures. What is not in the map is unset.

// linkedinURN is a URN of one of the types, with a number.
func linkedinURN(types ...string) linkedinType {
	return linkedinMatch(`^urn:li:(`+strings.Join(types, "|")+`):[0-9]+$`, "must be a URN of "+strings.Join(types, " or "))
}

var (
	linkedinPersonURN = linkedinMatch(`^urn:li:person:[A-Za-z0-9_-]+$`, "must be the URN of a person")
	linkedinContents  = linkedinList(linkedinMatch(`^urn:li:memberRichContent:\(urn:li:person:[A-Za-z0-9_-]+,[0-9]+\)$`,
		"must be the URN of a memberRichContent"))
	linkedinCause = linkedinOneOf("animalRights", "artsAndCulture", "children", "civilRights", "economicEmpowerment", "education",
		"environment", "health", "humanRights", "humanitarianRelief", "politics", "povertyAlleviation", "scienceAndTechnology", "socialServices")
)

// The texts that come in several locales, and how they are cleared.
var (
	linkedinOptionalString = linkedinMember{read: linkedinString, empty: linkedinByText}
	linkedinRequiredString = linkedinMember{read: linkedinString, empty: linkedinByText, required: true}
	linkedinOptionalRich   = linkedinMember{read: linkedinRich, empty: linkedinByText}
	linkedinContentsField  = linkedinMember{read: linkedinContents, empty: linkedinByList}
)

// linkedinBasics are the fields that a $set can set. The orders are beside them.
var linkedinBasics = map[string]linkedinMember{
	"address":             linkedinOptionalString,
	"contactInstructions": linkedinOptionalString,
	"firstName":           linkedinRequiredString,
	"headline":            linkedinOptionalString,
	"interests":           linkedinOptionalString,
	"lastName":            linkedinRequiredString,
	"maidenName":          linkedinOptionalString,
	"phoneticFirstName":   linkedinOptionalString,
	"phoneticLastName":    linkedinOptionalString,
	"summary":             linkedinOptionalRich,
	"birthDate":           {read: linkedinDate(true, true, true)},
	"ims":                 {read: linkedinIMs},
	"industryId":          {read: linkedinURN("industry"), empty: linkedinByText},
	"memberRichContents":  linkedinContentsField,
	"vanityName": {read: linkedinMatch(`^[A-Za-z0-9]{3,100}$`, "must be 3 to 100 letters or digits"),
		empty: linkedinByText, required: true},
	"geoLocation": {read: linkedinRecord(map[string]linkedinMember{"geo": {read: linkedinURN("geo"), required: true}})},
	"location": {read: linkedinRecord(map[string]linkedinMember{
		"countryCode": {read: linkedinMatch(`^[a-z]{2}$`, "must be a country of two lower-case letters"), required: true},
		"postalCode":  {read: linkedinText},
		"standardizedLocationUrn": {read: linkedinMatch(`^urn:li:standardizedLocationKey:\([a-z]{2},[^(),]+\)$`,
			"must be the URN of a standardizedLocationKey")},
	})},
	"phoneNumbers": {empty: linkedinByList, read: linkedinList(linkedinRecord(map[string]linkedinMember{
		"number": {read: linkedinText, required: true},
		"type":   {read: linkedinOneOf("WORK", "HOME", "MOBILE"), required: true},
	}))},
	"selectedContactInterests": {empty: linkedinByList, read: linkedinList(linkedinRecord(map[string]linkedinMember{
		"predefinedInterest": {read: linkedinMatch(`^[A-Z]+(_[A-Z]+)*$`, "must be a name like GRABBING_COFFEE"), required: true},
	}))},
	"supportedLocales":      {read: linkedinList(linkedinLocale), empty: linkedinByList},
	"volunteeringInterests": {read: linkedinCauses},
	"websites":              {read: linkedinList(linkedinWebsite), empty: linkedinByList},
}

// linkedinDeletable are fields that can be deleted and no longer be set.
var linkedinDeletable = []string{"associations", "legacyHonors", "specialties"}

// linkedinPictures are the fields that have their operator inside, with the recipes of
// their images.
var linkedinPictures = map[string]map[string]string{
	"profilePicture": {
		"originalImage": "urn:li:digitalmediaRecipe:profile-originalphoto-image",
		"displayImage":  "urn:li:digitalmediaRecipe:profile-displayphoto-image",
	},
	"backgroundPicture": {
		"originalImage": "urn:li:digitalmediaRecipe:profile-originalbackground-image",
		"displayImage":  "urn:li:digitalmediaRecipe:profile-displaybackground-image",
	},
}

// linkedinOrdered is what an order is the order of; ok is false for other fields.
func linkedinOrdered(field string) (section string, ok bool) {
	section, ok = strings.CutSuffix(field, "Order")
	_, is := linkedinSections[section]
	return section, ok && (is || section == "ims")
}

// linkedinBasic is the field of that name, if a $set can set it.
func linkedinBasic(name string) (linkedinMember, bool) {
	if section, ok := linkedinOrdered(name); ok {
		id := linkedinType(linkedinID)
		if section == "ims" {
			id = linkedinIMID
		}
		return linkedinMember{read: linkedinList(id), empty: linkedinByList}, true
	}
	m, ok := linkedinBasics[name]
	return m, ok
}

// linkedinIMs is the map of all accounts with messengers.
func linkedinIMs(c *linkedinFindings, path string, v any) any {
	o, ok := v.(*object)
	if !ok || len(o.names) == 0 {
		c.say(path, "must be an object with an IM; $delete removes the last one")
		return nil
	}
	if len(o.names) > 3 {
		c.say(path, "must have at most 3 IMs")
	}
	kept := map[string]any{}
	for _, key := range o.names {
		im := c.object(under(path, key), o.values[key], map[string]linkedinMember{
			"id":       {read: linkedinText, required: true},
			"provider": {read: linkedinOneOf("AIM", "SKYPE", "YAHOO", "ICQ", "GTALK", "GTalk", "QQ", "WEIXIN"), required: true},
		})
		if id, ok := im["id"].(string); ok && id != key {
			c.say(under(path, key), "is not the id of the IM in it")
		}
		kept[key] = im
	}
	return kept
}

// linkedinIMID is an id of an IM, which is a text, and a long where orders are concerned:
// both are taken.
func linkedinIMID(c *linkedinFindings, path string, v any) any {
	if _, isText := v.(string); isText {
		return linkedinText(c, path, v)
	}
	return linkedinID(c, path, v)
}

// linkedinCauses is volunteeringInterests. Without a cause in it, it is cleared.
func linkedinCauses(c *linkedinFindings, path string, v any) any {
	kept := c.object(path, v, map[string]linkedinMember{
		"supportedPredefinedCauses": {read: linkedinList(linkedinCause), required: true},
	})
	if kept["supportedPredefinedCauses"] == nil {
		return nil
	}
	return kept
}

// linkedinIDText is an id of an order or an entity as it is in a path or a key.
func linkedinIDText(id any) string {
	switch id := id.(type) {
	case json.Number:
		return id.String()
	case string:
		return id
	}
	return ""
}

func linkedinWebsite(c *linkedinFindings, path string, v any) any {
	kept := c.object(path, v, map[string]linkedinMember{
		"category": {read: linkedinOneOf("PERSONAL", "COMPANY", "BLOG", "RSS", "PORTFOLIO", "OTHER"), required: true},
		"label":    {read: linkedinString},
		"url":      {read: linkedinString, required: true},
	})
	if _, given := kept["label"]; given && kept["category"] != "OTHER" {
		c.say(under(path, "label"), "is only for the category OTHER")
	}
	return kept
}

// linkedinOperation is what a patch asks for: one of set, remove and picture is there.
type linkedinOperation struct {
	set     *object
	remove  []string
	picture string  // the field
	images  *object // of the picture
}

// linkedinBody reads a body that has to be an object.
func linkedinBody(c *linkedinFindings, body []byte) *object {
	v, repeated, err := parseStrict(body)
	if err != nil {
		c.malform("body", err.Error())
		return nil
	}
	c.malformed = append(c.malformed, repeated...)
	o, ok := v.(*object)
	if !ok {
		c.malform("body", "must be an object")
	}
	return o
}

// linkedinReadPatch reads the envelope of a patch. What it gives means nothing if there
// are findings. Two operations in one patch are documented nowhere.
func linkedinReadPatch(c *linkedinFindings, body []byte, pictures bool) (op linkedinOperation) {
	o := linkedinBody(c, body)
	if o == nil {
		return op
	}
	for _, n := range o.names {
		if n != "patch" {
			c.malform(n, "is not inside patch")
		}
	}
	patch, ok := o.values["patch"].(*object)
	if !ok {
		c.malform("patch", "must be an object")
		return op
	}
	if len(patch.names) != 1 {
		c.malform("patch", "must have one operation")
		return op
	}
	name := patch.names[0]
	v := patch.values[name]
	switch _, isPicture := linkedinPictures[name]; {
	case name == "$set":
		if op.set, ok = v.(*object); !ok || len(op.set.names) == 0 {
			c.malform("patch.$set", "must be an object with a field")
		}
	case name == "$delete":
		op.remove = linkedinRemoved(c, v)
	case pictures && isPicture:
		op.picture = name
		inner, ok := v.(*object)
		if !ok || len(inner.names) != 1 || inner.names[0] != "$set" {
			c.malform(under("patch", name), "must be an object with $set only")
			return op
		}
		if op.images, ok = inner.values["$set"].(*object); !ok {
			c.malform(under(under("patch", name), "$set"), "must be an object")
		}
	default:
		c.malform(under("patch", name), "is not an operation")
	}
	return op
}

// linkedinRemoved reads the names of a $delete.
func linkedinRemoved(c *linkedinFindings, v any) (names []string) {
	const path = "patch.$delete"
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		c.malform(path, "must be a list with a name")
	}
	for i, v := range list {
		name, ok := v.(string)
		switch {
		case !ok:
			c.malform(at(path, i), "must be a name")
		case slices.Contains(names, name):
			c.malform(at(path, i), "is named twice")
		}
		names = append(names, name)
	}
	return names
}

// linkedinPatch reads the body of a patch of the person. set is what becomes of the
// members of the state, nil for unset; it means nothing if there are findings.
func linkedinPatch(c *linkedinFindings, state map[string]any, body []byte) (set map[string]any) {
	op := linkedinReadPatch(c, body, true)
	if len(c.malformed) > 0 {
		return nil
	}
	switch {
	case op.set != nil:
		set = linkedinSetBasics(c, op.set)
	case op.images != nil:
		return map[string]any{op.picture: linkedinSetPicture(c, state, op.picture, op.images)}
	default:
		set = linkedinDeleteBasics(c, op.remove)
	}
	if c.none() {
		linkedinCheckBasics(c, state, set)
	}
	return set
}

func linkedinSetBasics(c *linkedinFindings, o *object) map[string]any {
	set := map[string]any{}
	for _, name := range o.names {
		path := under("patch.$set", name)
		m, known := linkedinBasic(name)
		_, isPicture := linkedinPictures[name]
		switch v := o.values[name]; {
		case slices.Contains(linkedinDeletable, name):
			c.say(path, "can only be deleted")
		case isPicture:
			c.malform(path, "has its $set inside")
		case !known:
			c.malform(path, "is not a basic field")
		case m.empty.is(v) && m.required:
			c.say(path, "is mandatory")
		case m.empty.is(v):
			set[name] = nil
		default:
			set[name] = m.read(c, path, v)
		}
	}
	return set
}

func linkedinDeleteBasics(c *linkedinFindings, names []string) map[string]any {
	set := map[string]any{}
	for i, name := range names {
		m, known := linkedinBasic(name)
		_, isPicture := linkedinPictures[name]
		switch {
		case !known && !isPicture && !slices.Contains(linkedinDeletable, name):
			c.malform(at("patch.$delete", i), name+" is not a basic field")
		case m.required:
			c.say(at("patch.$delete", i), name+" is mandatory")
		}
		set[name] = nil
	}
	return set
}

// linkedinCheckBasics holds what is set against the rest of the profile. It adds to set
// what follows: an order loses the IMs that are gone.
func linkedinCheckBasics(c *linkedinFindings, state, set map[string]any) {
	after := maps.Clone(state)
	maps.Copy(after, set)
	ims, _ := after["ims"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		path := under("patch.$set", name)
		if section, ok := linkedinOrdered(name); ok {
			ids, _ := set[name].([]any)
			for i, id := range ids {
				_, isIM := ims[linkedinIDText(id)]
				switch {
				case slices.Contains(ids[:i], id):
					c.say(at(path, i), "is named twice")
				case section == "ims" && !isIM, section != "ims" && linkedinFind(state, section, linkedinIDText(id)) < 0:
					c.say(at(path, i), "is not the id of one of the "+section)
				}
			}
		}
		if strings.HasPrefix(name, "phonetic") && set[name] != nil && !linkedinJapanese(after, name) {
			c.say(path, "is only for Japanese profiles")
		}
	}
	if _, given := set["imsOrder"]; given {
		return
	}
	if order, ok := state["imsOrder"].([]any); ok {
		left := slices.DeleteFunc(slices.Clone(order), func(id any) bool { _, is := ims[linkedinIDText(id)]; return !is })
		if set["imsOrder"] = left; len(left) == 0 {
			set["imsOrder"] = nil
		}
	}
}

// linkedinJapanese says whether a profile has Japanese among the locales that it
// supports, of the name, or of the field itself.
func linkedinJapanese(state map[string]any, field string) bool {
	keys := slices.Concat(linkedinSupported(state), linkedinLocales(state["firstName"]), linkedinLocales(state["lastName"]), linkedinLocales(state[field]))
	return slices.ContainsFunc(keys, func(key string) bool { return key == "ja" || strings.HasPrefix(key, "ja_") })
}

// linkedinSupported are the keys of the locales that the profile says it supports.
func linkedinSupported(state map[string]any) (keys []string) {
	locales, _ := state["supportedLocales"].([]any)
	for _, v := range locales {
		locale, _ := v.(map[string]any)
		keys = append(keys, linkedinLocaleName(locale))
	}
	return keys
}
