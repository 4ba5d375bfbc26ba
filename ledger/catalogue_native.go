package ledger

// The scalars. Names and limits of the first seventeen are those of Mokaru's Update
// Profile page; the others have no stated limit and take MaxText.

const (
	oneName     = "FullName is one text: it is made of first and last name unless displayName is set"
	partsOfDate = "LinkedIn keeps day, month and year as numbers"
)

func nativeScalars() []Field {
	return []Field{
		{Name: "firstName", View: Shared, Kind: KindText, Max: 100, Localized: true, Homes: []Home{
			sent(Mokaru, "firstName", ClearNever).max(100),
			sent(LinkedIn, "firstName", ClearNever).because("all locales are sent together"),
			lossy(Nexudus, "FullName", ClearNever, oneName),
			sent(Jarvi, "firstName", ClearNever),
		}},
		{Name: "lastName", View: Shared, Kind: KindText, Max: 100, Localized: true, Homes: []Home{
			sent(Mokaru, "lastName", ClearNever).max(100),
			sent(LinkedIn, "lastName", ClearNever).because("all locales are sent together"),
			lossy(Nexudus, "FullName", ClearNever, oneName),
			sent(Jarvi, "lastName", ClearNever),
		}},
		{Name: "displayName", View: Shared, Kind: KindText, Clearable: true, Localized: true, Homes: []Home{
			sent(Nexudus, "FullName", "").because("cleared, first and last name are sent in its place"),
		}},
		{Name: "nickName", View: Shared, Kind: KindText, Clearable: true, Localized: true, Homes: []Home{
			sent(Nexudus, "NickName", ClearNull),
		}},
		{Name: "maidenName", View: Shared, Kind: KindText, Clearable: true, Localized: true, Homes: []Home{
			sent(LinkedIn, "maidenName", ClearDelete),
		}},
		{Name: "email", View: Shared, Kind: KindEmail, Max: 254, Homes: []Home{
			sent(Mokaru, "email", ClearNever).max(254),
			sent(Jarvi, "emailAddresses", ClearNever).because("the first of a list parted by commas"),
		}},
		{Name: "phone", View: Shared, Kind: KindText, Max: 50, Clearable: true, About: "the first of phones", Homes: []Home{
			sent(Mokaru, "phone", ClearNull).max(50),
			sent(LinkedIn, "phoneNumbers[].number", ClearList).because("the first of the list, which is sent whole"),
			sent(Nexudus, "MobilePhone", ClearNull),
			sent(Jarvi, "phoneNumbers", ClearNever).because("the first of a list parted by commas"),
		}},
		{Name: "phone.type", View: Shared, Kind: KindText, Clearable: true, Hidden: true, About: "the type of phone, as phones gives it", Homes: []Home{
			sent(LinkedIn, "phoneNumbers[].type", ClearList),
		}},
		{Name: "landline", View: Shared, Kind: KindText, Clearable: true, Homes: []Home{
			sent(Nexudus, "LandLine", ClearNull),
		}},
		{Name: "address", View: Shared, Kind: KindText, Max: 200, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "address", ClearNull).max(200),
			sent(LinkedIn, "address", ClearDelete),
			sent(Nexudus, "Address", ClearEmpty),
		}},
		{Name: "city", View: Shared, Kind: KindText, Clearable: true, Localized: true, Homes: []Home{
			sent(Nexudus, "CityName", ClearEmpty),
			lossy(Jarvi, "location", "", "one text with the country: city, country"),
		}},
		{Name: "postalCode", View: Shared, Kind: KindText, Clearable: true, Homes: []Home{
			sent(PostPress, "location[postal_code]", ClearNever).limit("exactly 5 characters").because("only together with postpress.location.id"),
			sent(Nexudus, "PostCode", ClearEmpty),
		}},
		{Name: "province", View: Shared, Kind: KindText, Max: 100, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "province", ClearNull).max(100),
			sent(Nexudus, "State", ClearEmpty),
		}},
		{Name: "country", View: Shared, Kind: KindText, Max: 100, Clearable: true, Localized: true, About: "as typed; a provider's own form is resolved when it is sent", Homes: []Home{
			sent(Mokaru, "country", ClearNull).max(100),
			lossy(Nexudus, "CountryId", ClearNever, "the portal's number of the country, by its name or ISO code; parked when there is none"),
			lossy(Jarvi, "location", "", "one text with the city: city, country"),
		}},
		{Name: "birthDate", View: Shared, Kind: KindDay, Clearable: true, Homes: []Home{
			sent(Mokaru, "birthDate", ClearNull),
			sent(LinkedIn, "birthDate", ClearDelete).because(partsOfDate),
			sent(Nexudus, "DateOfBirth", ClearNull),
		}},
		{Name: "driverLicense", View: Shared, Kind: KindText, Max: 50, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "driverLicense", ClearNull).max(50),
		}},
		{Name: "gender", View: Shared, Kind: KindText, Max: 50, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "gender", ClearNull).max(50),
			sent(Nexudus, "Gender", ClearEmpty),
		}},
		{Name: "headline", View: Shared, Kind: KindText, Clearable: true, Localized: true, Homes: []Home{
			sent(LinkedIn, "headline", ClearDelete),
			sent(PostPress, "headline", ClearNever),
			sent(Jarvi, "headline", ClearNever),
		}},
		{Name: "jobTitle", View: Shared, Kind: KindText, Max: 200, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "jobTitle", ClearNull).max(200),
			sent(Nexudus, "Position", ClearNull),
			sent(Jarvi, "currentPosition", ClearNever),
		}},
		{Name: "summary", View: Shared, Kind: KindText, Max: 2000, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "summary", ClearNull).max(2000),
			sent(LinkedIn, "summary.localized.*.rawText", ClearDelete),
			sent(PostPress, "summary", ClearNever),
			sent(Nexudus, "ProfileSummary", ClearNull).because("read there as Markdown"),
		}},
		{Name: "sector", View: Shared, Kind: KindText, Max: 100, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "sector", ClearNull).max(100),
			absent(LinkedIn, "LinkedIn takes a standard industry only: linkedin.industryId"),
			sent(Nexudus, "BusinessArea", ClearNull),
		}},
		{Name: "employer", View: Shared, Kind: KindText, Max: 200, Clearable: true, Localized: true, Homes: []Home{
			sent(Mokaru, "employer", ClearNull).max(200),
			sent(Nexudus, "CompanyName", ClearEmpty),
			sent(Jarvi, "currentCompanyName", ClearNever),
		}},
		{Name: "linkedIn", View: Shared, Kind: KindLinkedIn, Clearable: true, Homes: []Home{
			sent(Mokaru, "linkedIn", ClearNull),
			absent(LinkedIn, "it is the address of the profile itself: linkedin.vanityName changes it"),
			sent(Nexudus, "Linkedin", ClearNull),
			sent(Jarvi, "linkedinUrl", ClearNever),
		}},
		{Name: "website", View: Shared, Kind: KindURL, Max: 500, Clearable: true, Homes: []Home{
			sent(Mokaru, "website", ClearNull).max(500),
			sent(LinkedIn, "websites[PERSONAL].url", ClearList),
			sent(PostPress, "custom_link[url]", ClearNever).because("the one link, unless postpress.customLink.type names another"),
			sent(Nexudus, "ProfileWebsite", ClearNull),
		}},
		{Name: "portfolio", View: Shared, Kind: KindURL, Max: 500, Clearable: true, Homes: []Home{
			sent(Mokaru, "portfolio", ClearNull).max(500),
			sent(LinkedIn, "websites[PORTFOLIO].url", ClearList),
			sent(PostPress, "custom_link[url]", ClearNever).because("only when postpress.customLink.type is PORTFOLIO"),
		}},
		social("twitter", "Twitter"),
		social("github", "Github"),
		social("instagram", "Instagram"),
		social("facebook", "Facebook"),
		social("skype", "Skype"),
		social("telegram", "Telegram"),
		{Name: "picture", View: Shared, Kind: KindFile, Clearable: true, Homes: []Home{
			sent(LinkedIn, "profilePicture", ClearDelete).because("uploaded twice, as original and as display image"),
			sent(PostPress, "picture", ClearNever),
		}},
		{Name: "coverPicture", View: Shared, Kind: KindFile, Clearable: true, Homes: []Home{
			sent(LinkedIn, "backgroundPicture", ClearDelete).because("uploaded twice, as original and as display image"),
			sent(PostPress, "cover_picture", ClearNever),
		}},
		{Name: "name", View: ResumeView, Kind: KindText, Max: 200, Hidden: true, About: "the name of a resume, set by the resume routes", Homes: []Home{
			absent(Mokaru, "a resume other than the default one is not written to Mokaru"),
		}},
	}
}

func social(name, nexudus string) Field {
	return Field{Name: name, View: Shared, Kind: KindText, Clearable: true, Homes: []Home{sent(Nexudus, nexudus, ClearNull)}}
}
