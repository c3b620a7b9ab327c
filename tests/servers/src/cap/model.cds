// What business systems have: keys of several kinds, exact numbers, times, versions.
service Sales {
  entity Customers {
    key ID : UUID;
    number : String(20);
    name : String(100);
    credit : Decimal(18,2);
    rate : Decimal;
    points : Int64;
    visits : Integer;
    active : Boolean;
    since : Date;
    opens : Time;
    score : Double;
    photo : Binary(100);
    @odata.etag
    modifiedAt : Timestamp @cds.on.update: $now @cds.on.insert: $now;
  }

  // A key of two parts, and nothing that tells a version or a change.
  entity Lines {
    key document : String(20);
    key line : Integer;
    text : String(200);
    amount : Decimal(18,4);
  }

  // Records whose changes are counted.
  entity Counted {
    key id : Integer;
    text : String(100);
    version : Integer;
  }
}
