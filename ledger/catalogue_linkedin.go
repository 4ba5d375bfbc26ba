package ledger

// What only LinkedIn's Profile Edit API knows, in its main resource. Its sections are
// collections: see catalogue_items.go.

func linkedInFields() []Field {
	own := func(name string, kind Kind, as string, clear Clear) Field {
		return Field{Name: "linkedin." + name, View: Shared, Kind: kind, Clearable: true, Provider: LinkedIn,
			Homes: []Home{sent(LinkedIn, as, clear)}}
	}
	local := func(name, about string) Field {
		f := own(name, KindText, name, ClearDelete)
		f.Localized, f.About = true, about
		return f
	}
	vanity := own("vanityName", KindAlnum, "vanityName", ClearNever)
	vanity.Min, vanity.Max = 3, 100
	vanity.Homes[0].Limit = "3 to 100 letters or digits"
	ims := own("ims", KindMap, "ims", ClearDelete)
	ims.Max, ims.About = 3, "instant messengers, each under its own id"
	ims.Homes[0].Limit = "at most 3, each under its id"
	ims.Item = []Member{
		text("id", to(LinkedIn, "ims.*.id")).required(),
		// The API's own example writes GTalk where its list of providers has GTALK.
		text("provider", to(LinkedIn, "ims.*.provider")).required().oneOf("AIM", "SKYPE", "YAHOO", "ICQ", "GTALK", "GTalk", "QQ", "WEIXIN"),
	}
	locales := own("supportedLocales", KindObjects, "supportedLocales", ClearList)
	locales.Item = []Member{
		text("country", to(LinkedIn, "supportedLocales[].country")),
		text("language", to(LinkedIn, "supportedLocales[].language")).required(),
	}
	interests := own("selectedContactInterests", KindObjects, "selectedContactInterests", ClearList)
	interests.Item = []Member{text("predefinedInterest", to(LinkedIn, "selectedContactInterests[].predefinedInterest")).required()}
	volunteering := own("volunteeringInterests.supportedPredefinedCauses", KindTexts, "volunteeringInterests.supportedPredefinedCauses", ClearDelete)
	volunteering.Enum = causes()
	return []Field{
		local("phoneticFirstName", "for Japanese profiles only"),
		local("phoneticLastName", "for Japanese profiles only"),
		vanity,
		own("industryId", KindText, "industryId", ClearDelete),
		own("geoLocation.geo", KindText, "geoLocation.geo", ClearDelete),
		own("location.countryCode", KindText, "location.countryCode", ClearDelete),
		own("location.postalCode", KindText, "location.postalCode", ClearDelete),
		own("location.standardizedLocationUrn", KindText, "location.standardizedLocationUrn", ClearDelete),
		local("contactInstructions", "deprecated there in favour of phones and websites"),
		local("interests", "deprecated there in favour of selectedContactInterests"),
		interests,
		ims,
		own("imsOrder", KindIDs, "imsOrder", ClearList),
		locales,
		volunteering,
		own("memberRichContents", KindTexts, "memberRichContents", ClearList),
	}
}
