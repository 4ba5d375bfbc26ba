package sandbox

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
)

// The sections of LinkedIn's Profile Edit: entities that are created, updated and deleted
// one by one. Nothing keeps two entities from being the same.

// errGone is for an entity that there is not, or no longer.
var errGone = errors.New("the entity is not there")

var (
	linkedinYearMonth = linkedinMember{read: linkedinDate(true, false, false)}
	linkedinYear      = linkedinMember{read: linkedinDate(false, false, false)}
	linkedinAnyDate   = linkedinMember{read: linkedinDate(true, true, false)}
	linkedinPlain     = linkedinMember{read: linkedinText, empty: linkedinByText}
	linkedinFlag      = linkedinMember{read: linkedinBool}

	// linkedinSwitched is a date of a patent, which the empty object clears: so the
	// documentation shows how a patent becomes pending.
	linkedinSwitched = linkedinMember{read: linkedinDate(true, true, false), empty: linkedinByNothing}

	linkedinCompany = linkedinMember{read: linkedinURN("company", "organization", "school"), empty: linkedinByText}
	linkedinProgram = linkedinMember{read: linkedinMatch(`^urn:li:[A-Za-z]+:.+$`, "must be a URN"), empty: linkedinByText}

	// linkedinOccupation is documented as the URN of a company or a school, and shown as
	// the URN of a position of the member.
	linkedinOccupation = linkedinMember{empty: linkedinByText, read: linkedinMatch(
		`^urn:li:((company|organization|school):[0-9]+|(position|education):\(urn:li:person:[A-Za-z0-9_-]+,[0-9]+\))$`,
		"must be the URN of a company, a school or a position")}

	linkedinContributors = linkedinMember{required: true, empty: linkedinByList, read: linkedinList(linkedinRecord(map[string]linkedinMember{
		"memberId": {read: linkedinPersonURN},
		"name":     {read: linkedinString},
	}))}
)

// linkedinSections are the sections with the fields of their entities.
var linkedinSections = map[string]map[string]linkedinMember{
	"certifications": {
		"name": linkedinOptionalString, "authority": linkedinOptionalString, "licenseNumber": linkedinOptionalString,
		"company": linkedinCompany, "startMonthYear": linkedinYearMonth, "endMonthYear": linkedinYearMonth, "url": linkedinPlain,
	},
	"courses": {"name": linkedinOptionalString, "number": linkedinPlain, "occupation": linkedinOccupation},
	"educations": {
		"schoolName": linkedinOptionalString, "organization": linkedinCompany, "school": linkedinCompany,
		"degreeName": linkedinOptionalString, "notes": linkedinOptionalRich, "activities": linkedinOptionalString,
		"fieldsOfStudy": {empty: linkedinByList, read: linkedinList(linkedinRecord(map[string]linkedinMember{
			"fieldOfStudyName": {read: linkedinString, required: true},
		}))},
		"grade":   {read: linkedinRecord(map[string]linkedinMember{"grade": {read: linkedinString, required: true}})},
		"program": linkedinProgram, "startMonthYear": linkedinYear, "endMonthYear": linkedinYear, "memberRichContents": linkedinContentsField,
	},
	"honors": {
		"title": linkedinRequiredString, "issuer": linkedinOptionalString, "issueDate": linkedinYearMonth,
		"description": linkedinOptionalRich, "occupation": linkedinOccupation,
	},
	"languages": {
		"name": linkedinRequiredString,
		"proficiency": {read: linkedinOneOf("ELEMENTARY", "LIMITED_WORKING", "PROFESSIONAL_WORKING", "FULL_PROFESSIONAL",
			"NATIVE_OR_BILINGUAL"), empty: linkedinByText},
	},
	"organizations": {
		"name": linkedinOptionalString, "position": linkedinOptionalString, "description": linkedinOptionalRich,
		"startMonthYear": linkedinYearMonth, "endMonthYear": linkedinYearMonth, "occupation": linkedinOccupation,
	},
	"patents": {
		"title": linkedinRequiredString, "pending": {read: linkedinBool, required: true}, "inventors": linkedinContributors,
		"issuer": {empty: linkedinByText, required: true, read: linkedinLocalized(
			linkedinMatch(`^[a-z]{2}$`, "must be a country of two lower-case letters"))},
		"number": linkedinOptionalString, "issueDate": linkedinSwitched,
		"applicationNumber": linkedinOptionalString, "filingDate": linkedinSwitched,
		"description": linkedinOptionalRich, "url": linkedinPlain,
	},
	"positions": {
		"company": linkedinCompany, "companyName": linkedinOptionalString, "title": linkedinOptionalString,
		"description": linkedinOptionalRich, "startMonthYear": linkedinYearMonth, "endMonthYear": linkedinYearMonth,
		"geoPositionLocation": {read: linkedinRecord(map[string]linkedinMember{
			"displayLocationName": {read: linkedinString, required: true},
		})},
		"location": {read: linkedinRecord(map[string]linkedinMember{
			"countryCode": {read: linkedinMatch(`^[a-z]{2}$`, "must be a country of two lower-case letters"), required: true},
			"regionCode":  {read: linkedinInt(0, 1<<31-1)},
		})},
		"locationName": linkedinOptionalString, "memberRichContents": linkedinContentsField,
	},
	"projects": {
		"title": linkedinRequiredString, "members": linkedinContributors, "description": linkedinOptionalRich,
		"startMonthYear": linkedinYearMonth, "endMonthYear": linkedinYearMonth, "singleDate": linkedinFlag,
		"occupation": linkedinOccupation, "url": linkedinPlain,
	},
	"publications": {
		"name": linkedinRequiredString, "authors": linkedinContributors, "publisher": linkedinOptionalString,
		"date": linkedinAnyDate, "description": linkedinOptionalRich, "url": linkedinPlain,
	},
	"skills": {"name": linkedinRequiredString},
	"testScores": {
		"name": linkedinOptionalString, "score": linkedinPlain, "date": linkedinYearMonth,
		"description": linkedinOptionalRich, "occupation": linkedinOccupation,
	},
	"volunteeringExperiences": {
		"companyName": linkedinRequiredString, "role": linkedinRequiredString, "company": linkedinCompany,
		"cause": {read: linkedinCause, empty: linkedinByText}, "description": linkedinOptionalRich,
		"startMonthYear": linkedinYearMonth, "endMonthYear": linkedinYearMonth, "singleDate": linkedinFlag,
	},
}

// linkedinOwn is the field of a section that has to have the member's own URN in it.
var linkedinOwn = map[string]string{"patents": "inventors", "projects": "members", "publications": "authors"}

// linkedinHidden are the fields of a patent that are only for the other kind of patents.
func linkedinHidden(pending any) []string {
	if pending == true {
		return []string{"issueDate", "number"}
	}
	return []string{"applicationNumber", "filingDate"}
}

// linkedinCreate reads the body of a create, which is the entity as it is. set makes it
// the last of its section, under a new id; it means nothing if there are findings.
func linkedinCreate(c *linkedinFindings, state map[string]any, person, section string, body []byte) (set map[string]any, id string) {
	o := linkedinBody(c, body)
	if o == nil {
		return nil, ""
	}
	if _, wrapped := o.values["patch"]; wrapped {
		c.malform("patch", "is for updates: a create has the entity itself")
		return nil, ""
	}
	if len(o.names) == 0 {
		c.say("body", "must have a field")
	}
	entity := c.object("", o, linkedinSections[section])
	if !c.none() {
		return nil, ""
	}
	linkedinCheckEntity(c, state, person, section, entity, o.names)
	for id = linkedinNewID(); linkedinFind(state, section, id) >= 0; {
		id = linkedinNewID()
	}
	for name, v := range entity {
		if v == nil { // an empty list
			delete(entity, name)
		}
	}
	entity["id"] = json.Number(id)
	list, _ := state[section].([]any)
	return map[string]any{section: append(slices.Clone(list), entity)}, id
}

// linkedinNewID is a random long that is more than nothing.
func linkedinNewID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return strconv.FormatUint(max(binary.BigEndian.Uint64(b[:])>>1, 1), 10)
}

// linkedinFind is where the entity is in its section, -1 if it is not.
func linkedinFind(state map[string]any, section, id string) int {
	list, _ := state[section].([]any)
	return slices.IndexFunc(list, func(v any) bool {
		entity, _ := v.(map[string]any)
		return linkedinIDText(entity["id"]) == id
	})
}

// linkedinUpdate reads the body of an update of an entity. The error is errGone.
func linkedinUpdate(c *linkedinFindings, state map[string]any, person, section, id string, body []byte) (set map[string]any, err error) {
	op := linkedinReadPatch(c, body, false)
	i := linkedinFind(state, section, id)
	if i < 0 {
		return nil, errGone
	}
	if len(c.malformed) > 0 {
		return nil, nil
	}
	list, _ := state[section].([]any)
	old, _ := list[i].(map[string]any)
	entity, fields, given := maps.Clone(old), linkedinSections[section], []string{}
	for n, name := range op.remove {
		m, known := fields[name]
		switch path := at("patch.$delete", n); {
		case !known:
			c.malform(path, name+" is not a field of "+section)
		case m.required:
			c.say(path, name+" is mandatory")
		}
		delete(entity, name)
	}
	if op.set != nil {
		for _, name := range op.set.names {
			path, v := under("patch.$set", name), op.set.values[name]
			m, known := fields[name]
			switch {
			case !known:
				c.malform(path, "is not a field of "+section)
			case m.empty.is(v) && m.required:
				c.say(path, "is mandatory")
			case m.empty.is(v):
				delete(entity, name)
			default:
				entity[name] = m.read(c, path, v)
				given = append(given, name)
			}
		}
	}
	if c.none() {
		linkedinCheckEntity(c, state, person, section, entity, given)
	}
	changed := slices.Clone(list)
	changed[i] = entity
	return map[string]any{section: changed}, nil
}

// linkedinDelete takes an entity away, also out of the order. The error is errGone.
func linkedinDelete(state map[string]any, section, id string) (set map[string]any, err error) {
	i := linkedinFind(state, section, id)
	if i < 0 {
		return nil, errGone
	}
	list, _ := state[section].([]any)
	order, _ := state[section+"Order"].([]any)
	set = map[string]any{section: nil, section + "Order": nil}
	if list = slices.Delete(slices.Clone(list), i, i+1); len(list) > 0 {
		set[section] = list
	}
	order = slices.DeleteFunc(slices.Clone(order), func(v any) bool { return linkedinIDText(v) == id })
	if len(order) > 0 {
		set[section+"Order"] = order
	}
	return set, nil
}

// linkedinCheckEntity holds the fields that a body gave against each other and against
// the profile. entity is what it would be.
func linkedinCheckEntity(c *linkedinFindings, state map[string]any, person, section string, entity map[string]any, given []string) {
	if field, ok := linkedinOwn[section]; ok {
		list, _ := entity[field].([]any)
		own := slices.ContainsFunc(list, func(v any) bool {
			one, _ := v.(map[string]any)
			return one["memberId"] == "urn:li:person:"+person
		})
		if !own {
			c.say(field, "must have the member's own URN")
		}
	}
	if section == "patents" {
		for _, name := range linkedinHidden(entity["pending"]) {
			if slices.Contains(given, name) {
				c.say(name, "is not for a patent with this value of pending")
			}
		}
	}
	place, _ := entity["geoPositionLocation"].(map[string]any)
	supported := linkedinSupported(state)
	if place == nil || len(supported) == 0 || !slices.Contains(given, "geoPositionLocation") {
		return
	}
	for _, key := range linkedinLocales(place["displayLocationName"]) {
		if !slices.Contains(supported, linkedinBareLocale(key)) {
			c.say("geoPositionLocation.displayLocationName.localized", key+" is not a locale that the profile supports")
		}
	}
}

// linkedinBareLocale is the key of a locale without its variant.
func linkedinBareLocale(key string) string { return key[:min(len(key), len("en_US"))] }
